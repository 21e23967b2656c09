"""Disturbed activations: of the same mean, with whole channels missing, and still learnt from."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.keyword.disturb import MISSING, NOISE, disturb
from sweepnet_service.detectors.keyword.head import HeadSettings


def activations(seed: int, count: int, steps: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(2.0, 1.0, (count, steps, channels)).astype(np.float32)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 9999),
    count=st.integers(1, 6),
    steps=st.integers(2, 50),
    channels=st.integers(1, 20),
)
def test_a_channel_of_a_segment_is_missing_at_all_steps_or_at_none(
    seed: int, count: int, steps: int, channels: int
) -> None:
    values = activations(seed, count, steps, channels)
    disturbed = disturb(values, np.random.default_rng(seed))
    assert disturbed.shape == values.shape
    assert disturbed.dtype == np.float32
    missing = disturbed == 0
    assert np.array_equal(missing.all(axis=1), missing.any(axis=1))


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 9999))
def test_the_same_draws_disturb_alike_and_leave_the_values_alone(seed: int) -> None:
    values = activations(seed, 3, 8, 5)
    before = values.copy()
    one, other = (disturb(values, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(one, other)
    assert np.array_equal(values, before)


def test_the_mean_stays_and_the_noise_is_as_told() -> None:
    values = activations(0, 400, 40, 20)
    disturbed = disturb(values, np.random.default_rng(1))
    there = disturbed[:, :1] != 0
    assert abs(1 - there.mean() - MISSING) < 0.02
    assert abs(disturbed.mean() / values.mean() - 1) < 0.02
    noise = (disturbed * (1 - MISSING) - values)[np.broadcast_to(there, values.shape)]
    assert abs(noise.std() / (NOISE * values.std()) - 1) < 0.02


def test_values_that_do_not_vary_get_no_noise() -> None:
    disturbed = disturb(np.ones((4, 6, 3), np.float32), np.random.default_rng(0))
    assert set(np.round(np.unique(disturbed), 6).tolist()) <= {0.0, round(1 / (1 - MISSING), 6)}


@settings(deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(1, 8))
def test_heads_of_a_mean_differ_by_seed_and_every_second_is_disturbed(
    seed: int, count: int
) -> None:
    heads = [HeadSettings(seed=seed).of_mean(number) for number in range(count)]
    assert [head.seed for head in heads] == list(range(seed, seed + count))
    assert [head.disturbed for head in heads] == [bool(n % 2) for n in range(count)]
    assert heads[0] == HeadSettings(seed=seed)


def test_all_heads_of_a_mean_are_disturbed_where_that_is_asked_for() -> None:
    """The first one was not: the setting was overwritten."""
    heads = [HeadSettings(disturbed=True).of_mean(number) for number in range(4)]
    assert all(head.disturbed for head in heads)
