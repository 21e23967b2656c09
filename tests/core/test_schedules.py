"""Schedules: the rate at every step, and what a plateau does."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_core.errors import TrainingError
from cnn_core.schedules import Constant, Cosine, ReduceOnPlateau, ScheduleState, Step, cosine

SCHEDULES = [
    Constant(0.1),
    Step(0.1),
    Cosine(0.1, warmup=0.2),
    ReduceOnPlateau(0.1, patience=1),
]
totals = st.integers(1, 500)


@given(schedule=st.sampled_from(SCHEDULES), total=totals, data=st.data())
def test_rates_lie_between_0_and_the_peak(schedule, total, data):
    step = data.draw(st.integers(0, total - 1))
    assert 0 <= schedule.rate(schedule.init(), step, total) <= 0.1 * (1 + 1e-12)


@given(schedule=st.sampled_from(SCHEDULES), figures=st.lists(st.floats(0, 10), max_size=20))
def test_the_state_is_plain_numbers(schedule, figures):
    state = schedule.init()
    for figure in figures:
        state = schedule.step(state, figure)
    assert ScheduleState(**asdict(state)) == state


def test_steps_fall_at_their_shares_of_the_training():
    """He et al. 2016 on CIFAR-10: 64,000 steps, divided by 10 at 32,000 and 48,000."""
    schedule = Step(0.1, at=(0.5, 0.75))
    rates = [
        schedule.rate(schedule.init(), step, 64_000) for step in (0, 31_999, 32_000, 47_999, 48_000)
    ]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])


@given(total=st.integers(10, 500), warmup=st.floats(0, 0.9))
def test_the_cosine_rises_to_its_peak_and_falls_to_nothing(total, warmup):
    schedule = Cosine(1.0, warmup)
    rates = [schedule.rate(schedule.init(), step, total) for step in range(total + 1)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(1.0)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_the_cosine_by_hand():
    assert cosine(0, 100, 1.0, warmup=10) == 0.1
    assert cosine(9, 100, 1.0, warmup=10) == 1.0
    assert cosine(55, 100, 1.0, warmup=10) == pytest.approx(0.5)


def rates_over(schedule, figures):
    """The rate of the epoch after each figure."""
    state, rates = schedule.init(), []
    for figure in figures:
        state = schedule.step(state, figure)
        rates.append(schedule.rate(state, 0, 1))
    return rates


@given(patience=st.integers(0, 5), epochs=st.integers(1, 40))
def test_a_flat_figure_steps_every_patience_plus_one_epochs(patience, epochs):
    schedule = ReduceOnPlateau(1.0, 0.5, patience)
    rates = rates_over(schedule, [1.0] * epochs)
    assert rates == [0.5 ** (epoch // (patience + 1)) for epoch in range(epochs)]


@given(patience=st.integers(0, 5), epochs=st.integers(1, 40))
def test_a_figure_that_keeps_falling_never_steps(patience, epochs):
    schedule = ReduceOnPlateau(1.0, 0.5, patience)
    assert set(rates_over(schedule, [0.9**epoch for epoch in range(epochs)])) == {1.0}


def test_the_plateau_by_hand():
    """Two epochs are waited for; an improvement smaller than the threshold is none."""
    schedule = ReduceOnPlateau(1.0, 0.1, patience=2, threshold=0.01, lowest=0.05)
    figures = [5.0, 4.0, 4.0, 3.99, 4.5, 3.0, 3.0, 3.0, 3.0, 3.0]
    expected = [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]
    assert rates_over(schedule, figures) == pytest.approx(expected)


BAD = {
    "a rate of 0": (lambda: Constant(0.0), "Constant: got peak 0.0; expected a rate above 0"),
    "a rate of NaN": (lambda: Cosine(float("nan")), "Cosine: got peak nan"),
    "no warm-up of 1": (lambda: Cosine(0.1, 1.0), "Cosine: got warmup 1.0; expected 0 to below 1"),
    "shares beyond the end": (
        lambda: Step(0.1, (0.5, 1.5)),
        "Step: got at .*; expected a tuple of shares",
    ),
    "a share alone": (lambda: Step(0.1, at=0.5), "Step: got at 0.5; expected a tuple of shares"),
    "a negative factor": (lambda: Step(0.1, factor=-3), "Step: got factor -3; expected a number"),
    "a threshold of 5": (lambda: ReduceOnPlateau(0.1, threshold=5), "got threshold 5; expected 0"),
    "a rate at last above the first": (
        lambda: ReduceOnPlateau(0.1, lowest=9),
        "got lowest 9; expected 0 to the peak",
    ),
    "negative patience": (lambda: ReduceOnPlateau(0.1, patience=-1), "got patience -1"),
    "a factor that grows": (lambda: ReduceOnPlateau(0.1, factor=2), "got factor 2"),
    "a figure of NaN": (
        lambda: ReduceOnPlateau(0.1).step(ScheduleState(), float("nan")),
        "ReduceOnPlateau: got a figure of nan",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_schedule_can_use_is_refused_by_name(name):
    call, message = BAD[name]
    with pytest.raises(TrainingError, match=message):
        call()
