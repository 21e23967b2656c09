"""The loss of turned boxes: its gradient, what leaves it as it is, and that it leads home."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.errors import ShapeError
from cnn_core.losses import probabilistic_iou

SEEDS = st.integers(0, 2**31)


def some(rng: np.random.Generator, count: int, spread: float = 20.0) -> np.ndarray:
    """Rectangles (count, 4, 2) at any angle."""
    halves = rng.uniform(2, 20, (count, 1, 2))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * halves
    cos, sin = np.cos(turn := rng.uniform(0, 7, count)), np.sin(turn)
    matrix = np.stack((np.stack((cos, sin), -1), np.stack((-sin, cos), -1)), -2)
    boxes: np.ndarray = corners @ matrix + rng.uniform(0, spread, (count, 1, 2))
    return boxes


@given(SEEDS)
@settings(deadline=None, max_examples=10)
def test_the_gradient_is_that_of_central_differences(seed: int) -> None:
    """Of corners that form no rectangle too."""
    rng = np.random.default_rng(seed)
    true, predicted = some(rng, 3), some(rng, 3) + rng.normal(0, 3, (3, 4, 2))
    _, gradient = probabilistic_iou(predicted, true)

    for place in np.ndindex(predicted.shape):
        step = np.zeros_like(predicted)
        step[place] = 1e-5
        ahead, behind = (probabilistic_iou(predicted + s, true)[0].sum() for s in (step, -step))
        assert gradient[place] == pytest.approx((ahead - behind) / 2e-5, abs=1e-8)


@given(SEEDS, st.integers(0, 3), st.booleans(), st.floats(0.01, 100))
@settings(deadline=None, max_examples=30)
def test_neither_the_first_corner_nor_the_unit_matters(
    seed: int, first: int, backwards: bool, unit: float
) -> None:
    rng = np.random.default_rng(seed)
    one, two = some(rng, 5), some(rng, 5)
    other = np.roll(one, first, axis=1)[:, :: -1 if backwards else 1]

    overlap, _ = probabilistic_iou(one, two)

    np.testing.assert_allclose(probabilistic_iou(other * unit, two * unit)[0], overlap, atol=1e-9)
    assert ((overlap >= 0) & (overlap < 1)).all()


@given(SEEDS)
@settings(deadline=None, max_examples=30)
def test_a_box_overlaps_itself_wholly_and_stays_there(seed: int) -> None:
    boxes = some(np.random.default_rng(seed), 5)

    overlap, gradient = probabilistic_iou(boxes, boxes)

    np.testing.assert_allclose(overlap, 1, atol=1e-9)
    np.testing.assert_allclose(gradient, 0, atol=1e-9)


@given(SEEDS)
@settings(deadline=None, max_examples=5)
def test_the_gradient_leads_to_the_box(seed: int) -> None:
    """Place, sides and angle: a parallelogram has no other Gaussian."""
    rng = np.random.default_rng(seed)
    true = some(rng, 4)
    corners = some(rng, 4)
    for step in range(1500):
        overlap, gradient = probabilistic_iou(corners, true)
        corners = corners + 60 * 0.998**step * gradient

    assert (overlap > 0.95).all()


@pytest.mark.parametrize("size", [0.0, 1e-9])
def test_boxes_without_area_have_a_finite_slope(size: float) -> None:
    none, some_box = np.full((1, 4, 2), 3.0), some(np.random.default_rng(0), 1)

    for one, two in ((none, some_box), (some_box, none + size), (none, none)):
        overlap, gradient = probabilistic_iou(one, two)
        assert np.isfinite(overlap).all()
        assert np.isfinite(gradient).all()


@given(SEEDS, st.floats(-3, 8), st.floats(-9, 2))
@settings(deadline=None, max_examples=50)
def test_a_line_far_longer_than_the_box_is_finite(seed: int, long: float, small: float) -> None:
    """Its variance has no inverse, but for what is added to it."""
    rng = np.random.default_rng(seed)
    turn, along = rng.uniform(0, 7, (5, 1)), 10**long * rng.uniform(-1, 1, (5, 4))
    line = np.stack((np.cos(turn) * along, np.sin(turn) * along), -1)

    overlap, gradient = probabilistic_iou(line, 10**small * some(rng, 5))

    assert ((overlap >= -1e-9) & (overlap < 1)).all()
    assert np.isfinite(gradient).all()


def test_the_type_stays_and_nothing_overlaps_nothing() -> None:
    none = np.zeros((0, 4, 2), np.float32)

    overlap, gradient = probabilistic_iou(none, none)

    assert overlap.dtype == gradient.dtype == np.float32
    assert gradient.shape == (0, 4, 2)
    with pytest.raises(ShapeError, match=r"got shapes \(0, 4, 2\) and \(0, 4\); expected the same"):
        probabilistic_iou(none, none[..., 0])
