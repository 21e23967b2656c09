"""Intervals: exact where a table tells, wider for fewer groups, none for no difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from sweepnet_service.detectors.keyword.evaluate import (
    mean_over_groups,
    paired_difference,
    poisson_rate,
)
from sweepnet_service.errors import InvalidInput

MISSES = st.dictionaries(st.integers(0, 50), st.sampled_from([0.0, 0.2, 1.0]), min_size=4)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (20, 12.217, 30.888)],
)
def test_poisson_intervals_are_those_of_the_table(count: int, low: float, high: float) -> None:
    """Garwood 1936."""
    rate = poisson_rate(count, 1.0)
    assert (rate.value, rate.low, rate.high) == pytest.approx((count, low, high), abs=6e-4)


@given(st.integers(0, 500), st.floats(0.01, 100))
def test_poisson_bounds_leave_2_5_percent_on_each_side(count: int, of_hours: float) -> None:
    rate = poisson_rate(count, of_hours)
    assert poisson.cdf(count, rate.high * of_hours) == pytest.approx(0.025, rel=1e-6)
    if count:
        assert poisson.sf(count - 1, rate.low * of_hours) == pytest.approx(0.025, rel=1e-6)


def test_no_rate_without_time() -> None:
    with pytest.raises(InvalidInput, match="0 h"):
        poisson_rate(3, 0)


@given(MISSES, st.integers(1, 20))
def test_the_interval_holds_the_mean(misses: dict[int, float], groups: int) -> None:
    values = list(misses.values())
    found = mean_over_groups(values, [clip % groups for clip in misses])
    assert found.value == pytest.approx(np.mean(values))
    assert 0 <= found.low <= found.high <= 1
    if groups > 10:
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_few_voices_tell_less_than_many() -> None:
    """100 clips of 5 voices, of which one is always missed; or of 100 voices, a fifth missed."""
    values = [float(clip % 5 == 0) for clip in range(100)]
    few = mean_over_groups(values, [clip % 5 for clip in range(100)])
    many = mean_over_groups(values, range(100))
    assert few.value == many.value == pytest.approx(0.2)
    assert few.high - few.low > 2 * (many.high - many.low)
    assert (many.low, many.high) == pytest.approx((0.12, 0.28), abs=0.011)


def test_no_miss_in_few_groups_is_not_a_proof() -> None:
    assert mean_over_groups([0.0] * 60, [n % 5 for n in range(60)]).high == pytest.approx(
        0.5218, abs=1e-4
    )
    assert mean_over_groups([0.0] * 60, range(60)).high == pytest.approx(0.0596, abs=1e-4)
    assert mean_over_groups([1.0] * 60, range(60)).low == pytest.approx(1 - 0.0596, abs=1e-4)
    assert mean_over_groups([], []).high == 1.0


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_too_few_groups_tell_nothing_of_others(groups: int) -> None:
    """One voice's five clips once had the interval 20 to 20 %."""
    found = mean_over_groups([1, 0, 0, 0, 0], [clip % groups for clip in range(5)])
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0, 1))


@given(MISSES)
def test_a_system_differs_from_itself_by_nothing(misses: dict[int, float]) -> None:
    assert paired_difference(misses, misses, lambda clip: clip) == (0, 0, 0)


@given(MISSES)
def test_swapping_the_systems_turns_the_sign(misses: dict[int, float]) -> None:
    other = {clip: 1 - value for clip, value in reversed(misses.items())}
    there = paired_difference(misses, other, lambda clip: clip)
    assert there[0] == pytest.approx(np.mean([2 * value - 1 for value in misses.values()]))
    back = paired_difference({clip: other[clip] for clip in misses}, misses, lambda clip: clip)
    assert back == pytest.approx((-there[0], -there[2], -there[1]), abs=1e-9)


def test_a_paired_difference_ignores_what_both_find_hard() -> None:
    """Half of the clips are missed by both; one misses 12 more: far from nothing when paired."""
    hard = {clip: float(clip < 100) for clip in range(200)}
    worse = {clip: value or float(100 <= clip < 112) for clip, value in hard.items()}
    difference, low, high = paired_difference(worse, hard, lambda clip: clip)
    assert difference == pytest.approx(0.06)
    assert 0.02 < low < difference < high < 0.1


def test_different_clips_or_one_group_are_refused() -> None:
    with pytest.raises(InvalidInput, match="1 clips"):
        paired_difference({"a": 0.0}, {}, lambda clip: clip)
    with pytest.raises(InvalidInput, match="1 groups"):
        paired_difference({"a": 0.0, "b": 1.0}, {"a": 0.0, "b": 1.0}, lambda clip: 0)
