"""Sessions: any chunking, any rate, the word's times, and wrong moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnn_core.arrays import Array
from cnn_core.geometry import Window
from cnn_core.scan import scan
from sweepnet_service.detectors.keyword import (
    KeywordDetector,
    SpotOptions,
    SpotSession,
    SpotUpdate,
)
from sweepnet_service.detectors.keyword.batch import MOST_PUT_OFF, nearest, spans
from sweepnet_service.errors import FailedPrecondition, InvalidInput


def run(
    detector: KeywordDetector,
    samples: Array,
    cuts: list[int] | None = None,
    rate_hz: int = 16_000,
    options: SpotOptions = SpotOptions(),  # noqa: B008
) -> list[SpotUpdate]:
    session = SpotSession(detector, rate_hz, options)
    parts = np.split(samples, sorted(min(cut, len(samples)) for cut in cuts or []))
    return [*(session.push(part) for part in parts), session.finish()]


def scores(updates: list[SpotUpdate]) -> Array:
    return np.array([window.scores for update in updates for window in update.windows])


@pytest.fixture(scope="module")
def streamed(detector: KeywordDetector, murmur: Array) -> Callable[..., list[SpotUpdate]]:
    """Runs the detector over the murmur. (A function, because Hypothesis prints its arguments.)"""

    def over_murmur(rate_hz: int, cuts: list[int], threshold: float) -> list[SpotUpdate]:
        options = SpotOptions(thresholds={"welcome": threshold})
        return run(detector, murmur[:30_000], cuts, rate_hz, options)

    return over_murmur


@given(cuts=st.lists(st.integers(0, 30_000), max_size=12), rate_hz=st.sampled_from([16_000, 8_000]))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_chunking_changes_no_score_and_no_event(
    streamed: Callable[..., list[SpotUpdate]], cuts: list[int], rate_hz: int
) -> None:
    known = scores(streamed(rate_hz, [], 0.5))
    threshold = float(np.median(known) + np.max(known)) / 2
    whole = streamed(rate_hz, [], threshold)
    cut = streamed(rate_hz, cuts, threshold)
    np.testing.assert_allclose(scores(cut), scores(whole), atol=1e-4)
    found, expected = (
        [(e.start, e.end, e.peak) for u in updates for e in u.events] for updates in (cut, whole)
    )
    assert found == expected
    assert expected
    assert [w.start for u in cut for w in u.windows] == [w.start for u in whole for w in u.windows]
    for ours, theirs in zip(cut[-1].aggregates, whole[-1].aggregates, strict=True):
        assert ours.label == theirs.label
        np.testing.assert_allclose(
            [ours.maximum, ours.mean, ours.softmax],
            [theirs.maximum, theirs.mean, theirs.softmax],
            atol=1e-4,
        )


@pytest.mark.parametrize("horizon_s", [None, 0.3])
def test_who_is_told_of_events_only_misses_nothing(
    detector: KeywordDetector, murmur: Array, horizon_s: float | None
) -> None:
    """Windows are counted; events, and the end, come with the aggregates of that moment."""
    cuts = list(range(0, 30_000, 400))
    assert len(cuts) > 2 * MOST_PUT_OFF
    known = scores(run(detector, murmur[:30_000]))
    threshold = float(np.median(known) + np.max(known)) / 2
    options = SpotOptions({"welcome": threshold}, aggregate_over_s=horizon_s)
    full = run(detector, murmur[:30_000], cuts, options=options)
    few = run(detector, murmur[:30_000], cuts, options=replace(options, events_only=True))
    assert not any(update.windows for update in few)
    assert [u.window_count for u in few] == [len(u.windows) for u in full]
    assert [u.events for u in few] == [u.events for u in full]
    telling = [place for place, update in enumerate(few) if update.events] + [-1]
    assert len(telling) > 1
    assert [few[n].aggregates for n in telling] == [full[n].aggregates for n in telling]


def test_scores_are_those_of_a_scan_of_the_padded_signal(
    detector: KeywordDetector, murmur: Array
) -> None:
    silence = np.zeros(detector.padding_samples, np.float32)
    frames = detector.features.frames(np.concatenate([silence, murmur, silence]))
    expected = scan(detector.net, frames[None]).scores[0]
    np.testing.assert_allclose(scores(run(detector, murmur)), expected, atol=1e-4)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_times_of_other_rates_lie_within_a_hop(detector: KeywordDetector, rate_hz: int) -> None:
    """A click in silence moves the scores at the same second whatever the rate."""
    click = np.zeros(2 * rate_hz, np.float32)
    middle = np.arange(rate_hz // 20)
    click[rate_hz : rate_hz + len(middle)] = 0.5 * np.sin(2 * np.pi * 440 * middle / rate_hz)
    at_16k = soxr.resample(click, rate_hz, 16_000).astype(np.float32)
    ours, reference = run(detector, click, rate_hz=rate_hz), run(detector, at_16k)
    for updates, rate in ((ours, rate_hz), (reference, 16_000)):
        assert updates[-1].read_until == (len(click) if rate == rate_hz else len(at_16k))
    first = [w for u in ours for w in u.windows]
    other = [w for u in reference for w in u.windows]
    for mine, theirs in zip(first, other, strict=False):
        assert abs(mine.end / rate_hz - theirs.end / 16_000) <= detector.hop_s
    np.testing.assert_allclose(scores(ours), scores(reference)[: len(first)], atol=2e-2)


def test_windows_cover_the_source_and_say_when_they_are_warming(
    detector: KeywordDetector, murmur: Array
) -> None:
    windows = [w for u in run(detector, murmur) for w in u.windows]
    assert all(0 <= w.start <= w.end <= len(murmur) for w in windows)
    assert windows[0].start == 0
    assert windows[-1].end == len(murmur)
    warming = [w.warming for w in windows]
    assert warming == sorted(warming, reverse=True)
    assert sum(warming) == detector.padding_samples // int(detector.window.step)
    first_warm = windows[sum(warming)]
    assert (first_warm.start, first_warm.end) == (0, int(detector.window.size))


def test_features_are_the_frames_of_the_signal_alone(
    detector: KeywordDetector, murmur: Array
) -> None:
    updates = run(detector, murmur, [100, 7_777], options=SpotOptions(features=True))
    joined = np.concatenate([u.features for u in updates if u.features is not None])
    np.testing.assert_allclose(joined, detector.features.frames(murmur), atol=1e-5)
    assert run(detector, murmur)[0].features is None


def test_an_event_estimates_the_word_not_the_window(
    detector: KeywordDetector, murmur: Array
) -> None:
    options = SpotOptions(thresholds={"welcome": float(np.max(scores(run(detector, murmur))))})
    updates = run(detector, murmur, options=options)
    (event,) = [e for u in updates for e in u.events]
    best = int(np.argmax(scores(updates)[:, 0]))
    first = best * int(detector.window.step) - detector.padding_samples
    place = detector.placements["welcome"]
    assert event.start == max(0, first + round(place.start_s * 16_000))
    assert event.end == min(len(murmur), first + round(place.end_s * 16_000))
    assert event.start <= event.peak <= event.end


@pytest.mark.parametrize("samples", [1, 500, 8_000])
def test_an_event_lies_within_the_source_wherever_it_peaks(
    detector: KeywordDetector, samples: int
) -> None:
    """One that was placed in the silence behind the source ended a sample after it."""
    session = SpotSession(detector, 16_000)
    for peak in range(0, 120, 7):
        curve = np.zeros(120, np.float32)
        curve[peak] = 0.9
        (event,) = session.replay("welcome", curve, samples)
        assert 0 <= event.start < event.end <= samples
        assert event.start <= event.peak < event.end


def test_aggregates_over_a_horizon_forget(detector: KeywordDetector, murmur: Array) -> None:
    updates = run(detector, murmur, options=SpotOptions(aggregate_over_s=0.3))
    last = scores(updates)[-10:, 0]
    (aggregate,) = updates[-1].aggregates
    assert aggregate.maximum == pytest.approx(float(last.max()), abs=1e-6)
    assert aggregate.mean == pytest.approx(float(last.mean()), abs=1e-6)


def test_an_empty_stream_has_no_windows(detector: KeywordDetector) -> None:
    updates = run(detector, np.empty(0, np.float32))
    assert not any(u.windows or u.events or u.aggregates for u in updates)
    assert updates[-1].read_until == 0


@pytest.mark.parametrize("samples", [1, 159, 400, 719])
def test_a_very_short_signal_is_scored(detector: KeywordDetector, samples: int) -> None:
    updates = run(detector, np.full(samples, 0.1, np.float32))
    assert len(scores(updates)) > 50
    assert updates[-1].read_until == samples


@pytest.mark.parametrize("rate_hz", [0, -1, 3_999, 384_001])
def test_rates_that_cannot_be_are_refused(detector: KeywordDetector, rate_hz: int) -> None:
    with pytest.raises(InvalidInput, match="4000 to 384000"):
        SpotSession(detector, rate_hz)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (SpotOptions(thresholds={"hello": 0.5}), "hello"),
        (SpotOptions(thresholds={"welcome": 0.0}), "above 0"),
        (SpotOptions(thresholds={"welcome": 1.5}), "at most 1"),
        (SpotOptions(thresholds={"welcome": float("nan")}), "above 0"),
        (SpotOptions(aggregate_over_s=0.0), "seconds"),
        (SpotOptions(softmax_temperature=0.0), "temperature"),
    ],
)
def test_options_that_cannot_be_are_refused(
    detector: KeywordDetector, options: SpotOptions, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        SpotSession(detector, 16_000, options)


def test_samples_that_cannot_be_are_refused(detector: KeywordDetector) -> None:
    session = SpotSession(detector, 16_000)
    with pytest.raises(InvalidInput, match="one channel"):
        session.push(np.zeros((10, 2), np.float32))
    with pytest.raises(InvalidInput, match="NaN"):
        session.push(np.array([0.0, np.nan], np.float32))
    session.finish()
    with pytest.raises(FailedPrecondition, match="finished"):
        session.push(np.zeros(10, np.float32))
    with pytest.raises(FailedPrecondition, match="finished"):
        session.finish()


def test_a_refractory_event_is_not_repeated(detector: KeywordDetector, murmur: Array) -> None:
    eager = replace(detector, decision=replace(detector.decision, refractory_s=60.0))
    options = SpotOptions(thresholds={"welcome": float(np.median(scores(run(detector, murmur))))})
    events = [e for u in run(eager, murmur, options=options) for e in u.events]
    assert len(events) == 1


@given(
    size=st.fractions(1, 99, max_denominator=6),
    step=st.fractions(Fraction(1, 6), 9, max_denominator=6),
    start=st.fractions(-9, 9, max_denominator=6),
    slack=st.fractions(0, 3, max_denominator=4),
)
def test_spans_of_many_windows_are_the_span_of_each(
    size: Fraction, step: Fraction, start: Fraction, slack: Fraction
) -> None:
    window = Window(size, step, start, slack)
    first, past = spans(window, np.arange(20))
    assert list(zip(first, past, strict=True)) == [window.span(number) for number in range(20)]


@given(number=st.integers(-(10**18), 10**18), divisor=st.integers(1, 384_000))
def test_places_are_rounded_as_fractions_are(number: int, divisor: int) -> None:
    """Without a fraction for each; halves, which a rate of half the detector's has, included."""
    assert nearest(number, divisor) == round(Fraction(number, divisor))
    assert nearest(Fraction(number, 3), divisor) == round(Fraction(number, 3 * divisor))
    assert nearest(number * divisor + divisor // 2, divisor) == round(
        Fraction(number * divisor + divisor // 2, divisor)
    )
