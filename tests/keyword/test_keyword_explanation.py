"""What a score was made from: the right frames, true slopes and falls, whatever the chunks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnn_core.arrays import Array
from cnn_core.layers import Sequential, Sigmoid
from sweepnet_service.detectors.keyword import (
    KeywordDetector,
    SpotExplanation,
    SpotOptions,
    SpotSession,
    SpotUpdate,
)
from sweepnet_service.detectors.keyword.explanation import (
    MOST_EXPLAINED,
    Looked,
    explained,
    falls,
    log_odds,
)


def run(
    detector: KeywordDetector, samples: Array, cuts: list[int], threshold: float, **asked: bool
) -> list[SpotUpdate]:
    options = SpotOptions({"welcome": threshold}, **asked)
    session = SpotSession(detector, 16_000, options)
    return [*(session.push(part) for part in np.split(samples, cuts)), session.finish()]


def told(updates: list[SpotUpdate]) -> list[SpotExplanation]:
    return [each for update in updates for each in update.explanations]


@pytest.fixture(scope="module")
def threshold(detector: KeywordDetector, murmur: Array) -> float:
    """One that some windows of the murmur pass."""
    updates = run(detector, murmur, [], 1.0)
    scores = [w.scores[0] for update in updates for w in update.windows]
    return float(np.percentile(scores, 80))


@pytest.mark.parametrize("cuts", [[3_000], [100, 20_000, 20_001], list(range(500, 48_000, 500))])
def test_chunking_changes_no_explanation(
    detector: KeywordDetector, murmur: Array, threshold: float, cuts: list[int]
) -> None:
    """Each is of an event's highest window, and its frames are those of the whole signal."""
    whole = told(run(detector, murmur, [], threshold, explanations=True))
    updates = run(detector, murmur, cuts, threshold, explanations=True)
    events = [event for update in updates for event in update.events]
    padding = np.zeros(detector.padding_samples, np.float32)
    frames = detector.features.frames(np.concatenate((padding, murmur, padding)))

    assert whole
    assert [each.score for each in told(updates)] == [event.score for event in events]
    for each, other in zip(whole, told(updates), strict=True):
        assert (each.start, each.end) == (other.start, other.end)
        np.testing.assert_allclose(each.contributions, other.contributions, atol=1e-4)
        np.testing.assert_allclose(each.falls, other.falls, atol=1e-4)
        first = round((each.start + detector.padding_samples) / each.hop)
        np.testing.assert_allclose(each.features, frames[first : first + len(each.features)])
        assert each.start <= each.effective_start < each.effective_end <= each.end


def test_where_nothing_was_found_the_highest_window_is_explained(
    detector: KeywordDetector, murmur: Array
) -> None:
    updates = run(detector, murmur, [7_000], 1.0, explanations=True)
    highest = max(w.scores[0] for update in updates for w in update.windows)

    (each,) = told(updates)

    assert each.score == pytest.approx(highest)
    assert updates[-1].explanations == (each,)


def test_nobody_explains_unasked(detector: KeywordDetector, murmur: Array) -> None:
    assert told(run(detector, murmur, [], 0.5)) == []


def test_only_so_many_events_are_explained(detector: KeywordDetector, murmur: Array) -> None:
    """Each costs: a low threshold must not make one caller's stream a burden to all."""
    busy = replace(detector, decision=replace(detector.decision, longest_s=0.03, refractory_s=0))
    updates = run(busy, murmur, [], 1e-6, explanations=True)

    assert sum(len(update.events) for update in updates) > MOST_EXPLAINED
    assert len(told(updates)) == MOST_EXPLAINED


def test_contributions_are_slopes_times_differences_to_silence(
    detector: KeywordDetector,
) -> None:
    """Along the way from the frames to silence, the log odds change as the contributions say."""
    size = int(detector.net.windows[0].size)
    frames = np.random.default_rng(0).random((size, 40)).astype(np.float32)
    each = explained(detector, "welcome", Looked(0, 0.5, frames))
    net, silence, eps = log_odds(detector.net), detector.features.silence, 1e-3

    def odds(toward: float) -> float:
        moved = frames + toward * (silence - frames)
        return float(net.forward(moved[None])[0, 0, 0])

    slope = (odds(-eps) - odds(eps)) / (2 * eps)
    assert each.contributions.sum() == pytest.approx(slope, rel=0.05, abs=0.05)


def test_falls_are_those_of_the_silenced_score(detector: KeywordDetector) -> None:
    size = int(detector.net.windows[0].size)
    x = np.random.default_rng(1).random((1, size, 40)).astype(np.float32)
    silenced = x.copy()
    silenced[:, :15] = detector.features.silence
    fall = float(detector.net.forward(x)[0, 0, 0] - detector.net.forward(silenced)[0, 0, 0])

    fallen = falls(detector, x, 0)

    assert fallen.shape == (size,)
    assert fallen[7] == pytest.approx(fall, abs=1e-5)


def test_the_sigmoid_is_left_out_of_the_slope(detector: KeywordDetector) -> None:
    """Of a sure score the slope would be 0 and tell nothing."""
    net = log_odds(detector.net)

    assert isinstance(net, Sequential)
    assert not isinstance(net.layers[-1], Sigmoid)
    assert log_odds(net) is net
