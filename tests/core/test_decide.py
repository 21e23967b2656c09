"""Decisions: patience against a slow twin, any chunking; each label by itself; soft suppression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.decide import (
    EachLabel,
    Hysteresis,
    Peak,
    box_iou,
    non_maximum_suppression,
    soft_suppression,
)
from cnn_core.errors import CoreError, ShapeError

SCORES = st.lists(st.floats(0, 1, width=32), max_size=40)


def slow_peaks(rule, scores):
    """Window by window, by the words of the docstring."""
    within = rule.within or rule.patience
    peaks, run, earliest = [], None, 0
    for i, score in enumerate(scores):
        if run and (score < rule.release or i - run[0] >= rule.longest):
            peaks.append(run)
            run, earliest = None, i + rule.refractory
        if run:
            run[1] = i
            if score > run[3]:
                run[2], run[3] = i, score
        else:
            last = range(max(earliest, i - within + 1), i + 1)
            above = [j for j in last if scores[j] >= rule.threshold]
            if len(above) >= rule.patience and above[-1:] == [i]:
                best = max(range(above[0], i + 1), key=lambda j: scores[j])
                run = [above[0], i, best, scores[best]]
    return [Peak(*run) for run in peaks + ([run] if run else [])]


@settings(deadline=None, max_examples=300)
@given(
    SCORES, st.integers(0, 4), st.integers(1, 4), st.integers(0, 3), st.integers(0, 6), st.data()
)
def test_patience_decides_alike_for_any_chunking(values, refractory, patience, more, longer, data):
    scores = np.array(values, np.float32)
    within = patience + more
    rule = Hysteresis(0.6, 0.4, refractory, within + longer, patience, within)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(scores)), max_size=6)))
    state, peaks = rule.init(), []
    for chunk in np.split(scores, cuts):
        state, new = rule.step(state, chunk)
        peaks += new
    expected = slow_peaks(rule, [float(s) for s in scores])

    assert peaks + rule.finish(state) == expected
    assert rule.peaks(scores) == expected


def test_two_of_three_windows_begin_a_peak():
    """One window alone does not; the peak reaches back to the first of the two."""
    rule = Hysteresis(0.5, 0.3, patience=2, within=3)
    scores = np.array([0, 0.9, 0, 0, 0.6, 0.4, 0.8, 0.4, 0.2, 0])

    assert rule.peaks(scores) == [Peak(4, 7, 6, 0.8)]


def test_the_refractory_time_counts_nothing():
    """Patience begins anew behind it."""
    rule = Hysteresis(0.5, 0.5, refractory=2, patience=2)

    assert rule.peaks(np.array([1.0, 1, 0, 1, 1, 1])) == [Peak(0, 1, 0, 1), Peak(4, 5, 4, 1)]


@given(SCORES, SCORES, st.integers(0, 40))
def test_labels_are_decided_each_by_itself(one, other, cut):
    count = min(len(one), len(other))
    scores = np.array([one[:count], other[:count]], np.float32).T.reshape(count, 2)
    rules = (Hysteresis(0.6, 0.4), Hysteresis(0.3, 0.2, refractory=2, patience=2))
    each = EachLabel(rules)
    states, first = each.step(each.init(), scores[:cut])
    states, second = each.step(states, scores[cut:])
    told = first + second + each.finish(states)

    for label, rule in enumerate(rules):
        assert [p for n, p in told if n == label] == rule.peaks(scores[:, label])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": np.nan, "release": 0}, "expected numbers with release <= threshold"),
        ({"threshold": 0.5, "release": 0.6}, "release <= threshold"),
        ({"threshold": np.inf, "release": 0}, "release <= threshold"),
        ({"threshold": 0.5, "release": 0.5, "refractory": -1}, "refractory >= 0"),
        ({"threshold": 0.5, "release": 0.5, "longest": 0}, "longest >= 1"),
        ({"threshold": 0.5, "release": 0.5, "patience": 0}, "1 <= patience"),
        (
            {"threshold": 0.5, "release": 0.5, "patience": 4, "within": 3},
            "got patience 4 within 3, .* expected 1 <= patience <= within <= longest",
        ),
        ({"threshold": 0.5, "release": 0.5, "patience": 4, "longest": 3}, "within <= longest"),
    ],
)
def test_rules_that_cannot_be_are_refused(settings, message):
    with pytest.raises(CoreError, match=message):
        Hysteresis(**settings)


def test_scores_that_are_no_numbers_are_refused_by_window():
    rule = Hysteresis(0.5, 0.5)
    with pytest.raises(CoreError, match="got the score nan at window 2"):
        rule.peaks(np.array([0, 1, np.nan]))
    with pytest.raises(ShapeError, match=r"expected \(t,\)"):
        rule.peaks(np.zeros((3, 1)))
    with pytest.raises(ShapeError, match=r"expected \(t, 1\)"):
        EachLabel((rule,)).step((rule.init(),), np.zeros((3, 2)))


def _boxes(count, seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 10, (count, 2))
    return np.concatenate((low, low + rng.uniform(0.1, 6, (count, 2))), axis=1), rng.random(count)


def _slow_soft(boxes, scores, factor, lowest):
    """Algorithm 1 of Bodla et al. 2017, box by box."""
    scores, left, kept = list(scores), list(range(len(scores))), []
    while left:
        best = max(left, key=lambda i: scores[i])
        if scores[best] < lowest:
            break
        kept.append((best, scores[best]))
        left.remove(best)
        for i in left:
            scores[i] *= factor(box_iou(boxes[best : best + 1], boxes[i : i + 1]).item())
    return kept


@settings(deadline=None)
@given(st.integers(0, 15), st.integers(0, 10_000), st.sampled_from(["linear", "gaussian"]))
def test_soft_suppression_is_the_algorithm(count, seed, decay):
    boxes, scores = _boxes(count, seed)
    factor = {
        "linear": lambda o: 1 - o if o > 0.3 else 1,
        "gaussian": lambda o: np.exp(-(o**2) / 0.4),
    }[decay]
    expected = _slow_soft(boxes, scores, factor, 0.05)

    kept, lowered = soft_suppression(boxes, scores, 0.3, decay=decay, sigma=0.4, lowest=0.05)

    assert kept.tolist() == [i for i, _ in expected]
    np.testing.assert_allclose(lowered, [s for _, s in expected])
    assert (np.diff(lowered) <= 0).all()


@given(st.integers(0, 15), st.integers(0, 10_000))
def test_soft_suppression_at_its_limits(count, seed):
    """A narrow decay removes all that overlap, as the hard way does; a wide one removes nothing."""
    boxes, scores = _boxes(count, seed)
    hard = non_maximum_suppression(boxes, scores, 0)

    narrow, _ = soft_suppression(boxes, scores, sigma=1e-12, lowest=1e-9)
    wide, lowered = soft_suppression(boxes, scores, sigma=1e12, lowest=0)

    assert set(hard) <= set(narrow)
    assert wide.tolist() == np.argsort(-scores, kind="stable").tolist()
    np.testing.assert_allclose(lowered, scores[wide])


def test_two_that_touch_both_stay():
    """The hard way loses the second flower, the soft one keeps it with a lower score."""
    boxes = np.array([[0.0, 0, 10, 10], [3, 0, 13, 10], [0.1, 0, 10, 10]])
    scores = np.array([0.9, 0.8, 0.7])

    assert non_maximum_suppression(boxes, scores, 0.5).tolist() == [0]
    kept, lowered = soft_suppression(boxes, scores, lowest=0.2)
    assert kept.tolist() == [0, 1]
    assert lowered[1] == pytest.approx(0.8 * np.exp(-((7 / 13) ** 2) / 0.5))
    assert soft_suppression(boxes, scores, limit=1)[0].tolist() == [0]


def test_boxes_that_cannot_be_decided_are_refused():
    boxes = np.zeros((2, 4))
    with pytest.raises(CoreError, match="the score nan of box 1"):
        soft_suppression(boxes, np.array([0.5, np.nan]))
    with pytest.raises(CoreError, match="the score inf of box 0"):
        non_maximum_suppression(boxes, np.array([np.inf, 0.5]))
    with pytest.raises(CoreError, match=r"got decay 'square'"):
        soft_suppression(boxes, np.ones(2), decay="square")
    with pytest.raises(ShapeError, match=r"expected \(n, 4\) and \(n,\)"):
        soft_suppression(boxes, np.ones(3))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_whole_numbers_are_decided_as_numbers(dtype):
    """Unsigned ones would wrap round where they are subtracted or negated."""
    boxes = np.array([[0, 0, 4, 4], [10, 10, 14, 14], [1, 0, 5, 4]], dtype)
    scores = np.array([0, 2, 1], dtype)

    np.testing.assert_array_equal(box_iou(boxes, boxes), box_iou(boxes * 1.0, boxes * 1.0))
    assert non_maximum_suppression(boxes, scores, 0.5).tolist() == [1, 2]
    kept, lowered = soft_suppression(boxes, scores, lowest=0.0)
    assert kept.tolist() == [1, 2, 0]
    np.testing.assert_allclose(lowered, [2, 1, 0])
    overlapping = np.array([[0, 0, 4, 4], [0, 0, 4, 3]], dtype)
    _, lowered = soft_suppression(overlapping, np.array([2, 1], dtype))
    np.testing.assert_allclose(lowered, [2, np.exp(-(0.75**2) / 0.5)], rtol=1e-6)


@pytest.mark.parametrize("decide", [non_maximum_suppression, soft_suppression])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iou": 7}, "got iou 7"),
        ({"iou": np.nan}, "got iou nan"),
        ({"limit": -1}, "limit -1"),
        ({"boxes": np.array([[0, 0, 1, np.nan]])}, "got the corners .*nan.* of box 0"),
        ({"boxes": np.array([[0, 0, np.inf, 1]])}, "got the corners .*inf.* of box 0"),
        ({"scores": np.array([np.nan])}, "got the score nan of box 0"),
    ],
)
def test_what_decides_nothing_is_refused(decide, settings, message):
    given = {"boxes": np.array([[0.0, 0, 1, 1]]), "scores": np.ones(1)} | settings
    with pytest.raises(CoreError, match=message):
        decide(**given)


def test_no_boxes_are_no_boxes():
    none = np.zeros((0, 4))

    assert box_iou(none, none).shape == (0, 0)
    assert non_maximum_suppression(none, np.zeros(0)).shape == (0,)
    assert soft_suppression(none, np.zeros(0))[1].shape == (0,)
