"""Losses: their definitions, their gradients and their laws."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnn_core.errors import ShapeError
from cnn_core.losses import (
    Head,
    MultiTask,
    binary_cross_entropy,
    cross_entropy,
    ctc,
    ctc_loss,
    generalised_iou,
    iou_loss,
    smooth_l1,
    squared_error,
)

seeds = st.integers(0, 2**32 - 1)


def boxes(rng, n, spread=4.0):
    """Boxes (n, 4) with sides of 0.5 to 3, apart as often as not."""
    corner = rng.uniform(0, spread, (n, 2))
    return np.concatenate((corner, corner + rng.uniform(0.5, 3, (n, 2))), axis=1)


def cases(rng):
    """Every loss as a function of its first argument alone, with that argument."""
    logits, targets = rng.standard_normal((3, 4, 5)), rng.random((3, 4, 5))
    classes, found, true = rng.integers(0, 5, (3, 4)), boxes(rng, 12), boxes(rng, 12)
    by_place, by_element = rng.integers(0, 3, (3, 4)) + 0.0, rng.integers(0, 3, (3, 4, 5)) + 0.0
    labels, steps = [rng.integers(1, 5, 2) for _ in range(3)], np.array([4, 4, 3])
    heads = {"class": Head(0, 3, cross_entropy), "box": Head(3, 4, squared_error, 0.3)}
    two = {"class": classes % 3, "box": targets[..., :1]}
    smooth, gamma = rng.uniform(0, 0.5), rng.uniform(0, 3)
    return {
        "cross_entropy": (lambda z: cross_entropy(z, classes), logits),
        "cross_entropy weighted": (lambda z: cross_entropy(z, classes, by_place), logits),
        "label smoothing": (
            lambda z: cross_entropy(z, classes, by_place, label_smoothing=smooth),
            logits,
        ),
        "binary": (lambda z: binary_cross_entropy(z, targets), logits),
        "binary weighted": (lambda z: binary_cross_entropy(z, targets, by_element), logits),
        "focal": (lambda z: binary_cross_entropy(z, targets, focal_gamma=gamma), logits),
        "focal weighted": (
            lambda z: binary_cross_entropy(z, targets, by_element, focal_gamma=gamma),
            logits,
        ),
        "squared_error": (lambda z: squared_error(z, targets), logits),
        "squared_error weighted": (lambda z: squared_error(z, targets, by_element), logits),
        "smooth_l1": (lambda z: smooth_l1(z, targets, beta=0.7), logits),
        "smooth_l1 weighted": (lambda z: smooth_l1(z, targets, by_element, beta=0.7), logits),
        "iou_loss": (lambda b: iou_loss(b, true), found),
        "iou_loss weighted": (lambda b: iou_loss(b, true, by_place.ravel()), found),
        "ctc": (lambda z: _summed(ctc(z, steps, labels)), logits),
        "ctc_loss": (lambda z: ctc_loss(z, (steps, labels)), logits),
        "multi-task": (lambda z: MultiTask(heads)(z, two), logits),
    }


def _summed(result):
    values, slopes = result
    return float(values[np.isfinite(values)].sum()), slopes


@pytest.mark.parametrize("name", cases(np.random.default_rng(0)))
@given(seed=seeds)
def test_gradients_match_central_differences(name, seed):
    rng = np.random.default_rng(seed)
    loss, at = cases(rng)[name]
    way, eps = rng.standard_normal(at.shape), 1e-6
    measured = (loss(at + eps * way)[0] - loss(at - eps * way)[0]) / (2 * eps)
    np.testing.assert_allclose((loss(at)[1] * way).sum(), measured, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", cases(np.random.default_rng(0)))
def test_gradients_have_the_shape_and_type_of_the_outputs(name):
    loss, at = cases(np.random.default_rng(1))[name]
    slopes = loss(at.astype(np.float32))[1]
    assert (slopes.shape, slopes.dtype) == (at.shape, np.float32)


@pytest.mark.parametrize("name", cases(np.random.default_rng(0)))
def test_outputs_in_whole_numbers_are_refused(name):
    """Their gradient, cut to whole numbers, was 0, and the loss of boxes half a pixel off too."""
    loss, at = cases(np.random.default_rng(1))[name]
    with pytest.raises(ShapeError, match=r"got outputs of type int64; expected floating-point"):
        loss(at.astype(np.int64))


@given(seed=seeds, smoothing=st.floats(0, 0.99))
def test_label_smoothing_is_cross_entropy_with_a_softened_truth(seed, smoothing):
    rng = np.random.default_rng(seed)
    logits, classes = rng.standard_normal((6, 4)) * 3, rng.integers(0, 4, 6)
    truth = np.eye(4)[classes] * (1 - smoothing) + smoothing / 4
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss, _ = cross_entropy(logits, classes, label_smoothing=smoothing)
    assert loss == pytest.approx(-(truth * log_p).sum(axis=1).mean())


@given(seed=seeds)
def test_no_smoothing_and_no_focus_are_the_plain_losses(seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.standard_normal((2, 5, 3)) * 4
    targets = 1 / (1 + np.exp(-targets))
    almost, plain = (binary_cross_entropy(logits, targets, focal_gamma=g) for g in (1e-12, 0.0))
    np.testing.assert_allclose(almost[0], plain[0], rtol=1e-9)
    np.testing.assert_allclose(almost[1], plain[1], rtol=1e-9, atol=1e-12)
    classes = rng.integers(0, 3, 5)
    almost, plain = (cross_entropy(logits, classes, label_smoothing=e) for e in (1e-12, 0.0))
    np.testing.assert_allclose(almost[0], plain[0], rtol=1e-9)
    np.testing.assert_allclose(almost[1], plain[1], atol=1e-11)


def test_the_focal_loss_is_its_definition():
    """Lin et al. 2017, equation 4: -(1 - p_t)^g log p_t."""
    z, t = np.array([0.3, -2.0, 1.5]), np.array([1.0, 1.0, 0.0])
    p = 1 / (1 + np.exp(-z))
    p_t = np.where(t == 1, p, 1 - p)
    expected = (-((1 - p_t) ** 2) * np.log(p_t)).mean()
    assert binary_cross_entropy(z, t, focal_gamma=2.0)[0] == pytest.approx(expected)


def test_cross_entropies_never_overflow():
    z = np.array([1e4, -1e4], np.float32)
    right, wrong = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    for gamma in (0.0, 2.0):
        assert binary_cross_entropy(z, right, focal_gamma=gamma)[0] == 0
        assert binary_cross_entropy(z, wrong, focal_gamma=gamma)[0] == 1e4
    assert cross_entropy(z[None], np.array([1]))[0] == 2e4


def test_binary_cross_entropy_is_its_definition():
    z, t = np.array([0.3, -2.0]), np.array([1.0, 0.2])
    p = 1 / (1 + np.exp(-z))
    expected = (-t * np.log(p) - (1 - t) * np.log(1 - p)).mean()
    assert binary_cross_entropy(z, t)[0] == pytest.approx(expected)


def test_squared_error_and_smooth_l1_by_hand():
    values, targets = np.array([1.0, 4.0]), np.array([0.5, 1.0])
    loss, slope = squared_error(values, targets)
    assert (loss, slope.tolist()) == ((0.25 + 9) / 2, [0.5, 3.0])
    loss, slope = smooth_l1(values, targets)
    assert (loss, slope.tolist()) == ((0.125 + 2.5) / 2, [0.25, 0.5])


@given(seed=seeds)
@example(seed=1111)
def test_generalised_iou_stays_within_its_bounds(seed):
    rng = np.random.default_rng(seed)
    giou, iou, _ = generalised_iou(boxes(rng, 50, 50.0), boxes(rng, 50, 50.0))
    assert (giou >= -1).all()
    assert (giou <= iou + 1e-12).all()
    assert (iou <= 1).all()
    assert (iou >= 0).all()


@given(seed=seeds, share=st.floats(0.1, 1))
def test_it_is_the_plain_iou_where_no_hull_is_left_over(seed, share):
    """Boxes one inside the other along both axes have the larger one as their hull."""
    outer = boxes(np.random.default_rng(seed), 10)
    inner = outer.copy()
    inner[:, 2] = outer[:, 0] + share * (outer[:, 2] - outer[:, 0])
    giou, iou, _ = generalised_iou(inner, outer)
    np.testing.assert_allclose(giou, iou, rtol=1e-12)
    np.testing.assert_allclose(iou, share, rtol=1e-9)


def test_generalised_iou_by_hand_touching_overlapping_apart():
    true = np.array([[0.0, 0.0, 2.0, 2.0]] * 3)
    found = np.array([[0.0, 0, 2, 2], [1, 1, 3, 3], [3, 0, 5, 2]])
    giou, iou, _ = generalised_iou(found, true)
    np.testing.assert_allclose(iou, [1, 1 / 7, 0])
    np.testing.assert_allclose(giou, [1, 1 / 7 - 2 / 9, -2 / 10])


def test_boxes_apart_are_drawn_together():
    """Plain IoU has no slope here; down this one the box grows until it meets the true one."""
    found, true = np.array([[5.0, 0.0, 7.0, 2.0]]), np.array([[0.0, 0.0, 2.0, 2.0]])
    for _ in range(400):
        found = found - 0.2 * iou_loss(found, true)[1]
    assert generalised_iou(found, true)[1].item() > 0.3


@pytest.mark.parametrize("name", ["smooth_l1", "squared_error", "binary_cross_entropy"])
def test_weight_0_does_not_count_whatever_the_target_is(name):
    loss = {
        "smooth_l1": smooth_l1,
        "squared_error": squared_error,
        "binary_cross_entropy": binary_cross_entropy,
    }[name]
    values, weights = np.array([0.4, 0.7]), np.array([1.0, 0.0])
    whole, slopes = loss(values, np.array([1.0, np.nan]), weights)
    alone, slope = loss(values[:1], np.array([1.0]))
    assert whole == pytest.approx(alone)
    assert slopes.tolist() == [pytest.approx(slope[0]), 0.0]


def test_weight_0_leaves_out_unknown_classes_and_boxes():
    logits, weights = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([1.0, 0.0])
    assert cross_entropy(logits, np.array([1, -1]), weights)[0] == pytest.approx(
        cross_entropy(logits[:1], np.array([1]))[0]
    )
    found = np.array([[0.0, 0, 1, 1], [0, 0, 1, 1]])
    true = np.array([[0.0, 0, 2, 1], [np.nan, 0, 0, 0]])
    loss, slopes = iou_loss(found, true, weights)
    assert loss == pytest.approx(0.5)
    assert not slopes[1].any()


def test_no_weight_at_all_is_no_loss():
    loss, slope = cross_entropy(np.ones((2, 3)), np.zeros(2, int), np.zeros(2))
    assert loss == 0.0
    assert not slope.any()


WEIGHTED = {
    "cross_entropy": (cross_entropy, (3,), np.array([0, 1])),
    "label smoothing": (partial(cross_entropy, label_smoothing=0.1), (3,), np.array([0, 1])),
    "binary": (binary_cross_entropy, (), np.array([1.0, 0.0])),
    "focal": (partial(binary_cross_entropy, focal_gamma=2.0), (), np.array([1.0, 0.0])),
    "squared_error": (squared_error, (), np.array([1.0, 0.0])),
    "smooth_l1": (smooth_l1, (), np.array([1.0, 0.0])),
    "iou_loss": (iou_loss, (4,), np.array([[0.0, 0, 1, 1], [0, 0, 2, 2]])),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("name", WEIGHTED)
def test_nothing_of_weight_0_leaks(name, value):
    """Outputs and, where they are fractions, targets; a warning would be an error here."""
    loss, shape, targets = WEIGHTED[name]
    outputs = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    alone, slope = loss(outputs[:1], targets[:1])
    outputs[1] = value
    if targets.dtype.kind == "f":
        targets = targets.copy()
        targets[1] = value
    whole, slopes = loss(outputs, targets, np.array([1.0, 0.0]))
    assert whole == pytest.approx(alone)
    np.testing.assert_allclose(slopes[0], slope[0], rtol=1e-6)
    assert not slopes[1].any()


def test_the_multi_task_sum_scales_losses_and_gradients():
    heads = {"a": Head(0, 2, squared_error), "b": Head(3, 4, smooth_l1, 0.5)}
    outputs = np.array([[1.0, 2.0, 9.0, 3.0]])
    targets = np.zeros(1, [("a", float, 2), ("b", float, 1)])
    total, slopes = MultiTask(heads)(outputs, targets)
    assert total == (1 + 4) / 2 + 0.5 * 2.5
    assert slopes.tolist() == [[1.0, 2.0, 0.0, 0.5]]


def test_the_mean_of_ctc_leaves_out_what_cannot_be():
    logits = np.random.default_rng(0).standard_normal((3, 3, 3))
    steps, labels = np.array([3, 3, 2]), [np.array([1, 1]), np.array([1, 1, 2]), np.array([2])]
    values, slopes = ctc(logits, steps, labels)
    mean, slope = ctc_loss(logits, (steps, labels))
    assert mean == pytest.approx((values[0] + values[2]) / 2)
    np.testing.assert_allclose(slope, slopes / 2)
    assert ctc_loss(logits[1:2], (steps[1:2], labels[1:2]))[0] == 0
