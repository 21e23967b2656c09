"""From scores to answers: scan, aggregates, hysteresis, overlap; each against a slow twin."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.aggregate import Max, Mean, SoftmaxMean
from cnn_core.decide import Hysteresis, Peak, box_iou, non_maximum_suppression
from cnn_core.errors import CoreError, ShapeError
from cnn_core.layers import Conv1d, Conv2d, Relu, Sequential
from cnn_core.scan import scan

SCORES = st.lists(st.floats(0, 1, width=32), max_size=40)


def _slow(kind, scores, temperature):
    if kind == "max":
        return scores.max()
    w = np.ones(len(scores)) if kind == "mean" else np.exp(scores / temperature)
    return (w * scores).sum() / w.sum()


@settings(deadline=None)
@given(
    SCORES, st.sampled_from(["max", "mean", "softmax"]), st.none() | st.integers(1, 9), st.data()
)
def test_running_aggregates_are_those_of_the_horizon(values, kind, horizon, data):
    """Whatever the chunks, the value after window i is the aggregate of the windows before it."""
    scores = np.array(values, np.float32).reshape(-1, 1)
    aggregate = {"max": Max(horizon), "mean": Mean(horizon), "softmax": SoftmaxMean(0.3, horizon)}[
        kind
    ]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(scores)), max_size=5)))
    state, got = aggregate.init(1), []
    for chunk in np.split(scores, cuts):
        state, running = aggregate.step(state, chunk)
        assert running.shape == chunk.shape
        got += running[:, 0].tolist()
    for i, value in enumerate(got):
        seen = scores[0 if horizon is None else max(0, i + 1 - horizon) : i + 1, 0]
        assert value == pytest.approx(_slow(kind, seen.astype(float), 0.3), abs=1e-6)


def test_a_day_of_horizon_costs_no_more_than_its_scores():
    """A horizon of 2.9 million windows over 70 scores once took a gigabyte."""
    scores = np.random.default_rng(0).random((70, 1)).astype(np.float32)
    tracemalloc.start()
    for aggregate in (Max(2_900_000), Mean(2_900_000), SoftmaxMean(1.0, 2_900_000)):
        _, values = aggregate.step(aggregate.init(1), scores)
        assert values.shape == scores.shape
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_loud_past_leaves_no_trace_in_a_cold_mean():
    """Sums by subtraction lose small weights behind large ones; these do not."""
    scores = np.array([[1.0]] * 3 + [[0.1]] * 5, np.float32)
    aggregate = SoftmaxMean(0.01, horizon=4)
    _, values = aggregate.step(aggregate.init(1), scores)
    assert values[-1].item() == pytest.approx(0.1)


def test_an_aggregate_says_what_shape_it_wants():
    with pytest.raises(ShapeError, match=r"expected \(t, 2\)"):
        Max().step(Max().init(2), np.zeros((3, 1), np.float32))


def test_a_cold_softmax_is_refused():
    with pytest.raises(CoreError, match="softmax temperature: got 0"):
        SoftmaxMean(0)


def _slow_peaks(rule, scores):
    peaks, run, earliest = [], None, 0
    for i, score in enumerate(scores):
        if run and (score < rule.release or i - run[0] >= rule.longest):
            peaks.append(run)
            run, earliest = None, i + rule.refractory
        if run:
            run[1] = i
            if score > run[3]:
                run[2], run[3] = i, score
        elif score >= rule.threshold and i >= earliest:
            run = [i, i, i, score]
    return [Peak(*run) for run in peaks + ([run] if run else [])]


@settings(deadline=None)
@given(SCORES, st.integers(0, 4), st.integers(1, 6), st.data())
def test_hysteresis_decides_alike_for_any_chunking(values, refractory, longest, data):
    scores = np.array(values, np.float32)
    rule = Hysteresis(0.6, 0.4, refractory, longest)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(scores)), max_size=5)))
    state, peaks = rule.init(), []
    for chunk in np.split(scores, cuts):
        state, new = rule.step(state, chunk)
        peaks += new
    assert peaks + rule.finish(state) == _slow_peaks(rule, [float(s) for s in scores])


def test_hysteresis_needs_a_release_below_its_threshold():
    with pytest.raises(CoreError, match="release <= threshold"):
        Hysteresis(0.5, 0.6)


def _boxes(draw_count, seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 10, (draw_count, 2))
    return np.concatenate((low, low + rng.uniform(0.1, 6, (draw_count, 2))), axis=1), rng.random(
        draw_count
    )


@given(st.integers(0, 15), st.integers(0, 10_000), st.floats(0, 1))
def test_suppression_keeps_the_best_and_no_doubles(n, seed, iou):
    boxes, scores = _boxes(n, seed)
    kept = non_maximum_suppression(boxes, scores, iou)
    overlap = box_iou(boxes, boxes)
    for i in range(n):
        better = [k for k in kept if scores[k] > scores[i] and overlap[k, i] > iou]
        assert (i in kept) == (not better)


def test_iou_of_known_boxes():
    a = np.array([[0.0, 0, 2, 2]])
    assert box_iou(a, np.array([[1.0, 0, 3, 2], [5, 5, 6, 6], [0, 0, 2, 2]])).tolist() == [
        [pytest.approx(1 / 3), 0, 1]
    ]


@given(st.integers(0, 90), st.integers(1, 40))
@settings(deadline=None, max_examples=30)
def test_a_scan_does_not_depend_on_its_block(length, block):
    rng = np.random.default_rng(0)
    net = Sequential((Conv1d.create(rng, 2, 3, 5, stride=2), Relu(), Conv1d.create(rng, 3, 1, 3)))
    x = rng.standard_normal((1, length, 2)).astype(np.float32)
    whole, blocks = scan(net, x, tile=10_000), scan(net, x, tile=block)
    np.testing.assert_allclose(whole.scores, blocks.scores, atol=1e-5)
    assert whole.scores.shape[1] == whole.windows[0].count(length)


def test_a_scan_knows_what_each_score_saw():
    net = Conv2d.create(np.random.default_rng(0), 1, 2, 3, stride=2)
    scores = scan(net, np.zeros((1, 9, 7, 1), np.float32))
    assert scores.scores.shape == (1, 4, 3, 2)
    assert scores.span(1, 2) == ((2, 5), (4, 7))
    with pytest.raises(ShapeError, match="expected"):
        scan(net, np.zeros((3, 3)))
