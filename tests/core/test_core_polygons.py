"""Overlap of turned boxes: what upright ones have, turned together; never a double is left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.decide import box_iou
from cnn_core.decide.polygons import areas, hulls, polygon_iou, polygon_suppression
from cnn_core.errors import ShapeError

SEEDS = st.integers(0, 2**31)


def upright(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]


def some_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    low = rng.uniform(0, 30, (count, 2))
    return np.concatenate((low, low + rng.uniform(1, 40, (count, 2))), axis=1)


def turned(polygons: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return polygons @ np.array([[cos, sin], [-sin, cos]]) + 7.0


@given(SEEDS, st.floats(-7, 7))
@settings(deadline=None, max_examples=40)
def test_turned_together_boxes_overlap_as_upright_ones(seed: int, angle: float) -> None:
    rng = np.random.default_rng(seed)
    boxes, others = some_boxes(rng, 6), some_boxes(rng, 5)

    found = polygon_iou(turned(upright(boxes), angle), turned(upright(others), angle))

    np.testing.assert_allclose(found, box_iou(boxes, others), atol=1e-6)


@given(SEEDS)
@settings(deadline=None, max_examples=40)
def test_overlap_is_whole_with_itself_and_the_same_both_ways(seed: int) -> None:
    rng = np.random.default_rng(seed)
    polygons = turned(upright(some_boxes(rng, 5)), rng.uniform(0, 3))
    others = turned(upright(some_boxes(rng, 4)), rng.uniform(0, 3))

    np.testing.assert_allclose(np.diag(polygon_iou(polygons, polygons)), 1, atol=1e-6)
    np.testing.assert_allclose(
        polygon_iou(polygons, others), polygon_iou(others, polygons).T, atol=1e-9
    )
    backwards = polygon_iou(polygons[:, ::-1], others)
    np.testing.assert_allclose(backwards, polygon_iou(polygons, others), atol=1e-6)


@given(SEEDS, st.floats(-7, 7), st.floats(-3, 5), st.floats(0, 1e4))
@settings(deadline=None, max_examples=60)
def test_overlap_depends_on_no_unit_and_no_place(
    seed: int, angle: float, log_scale: float, away: float
) -> None:
    """Boxes on a coarse grid share corners and edges, which is where rounding decides."""
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 4, (8, 2)).astype(float)
    boxes = np.concatenate((low, low + rng.integers(1, 4, (8, 2))), axis=1)
    polygons = turned(upright(boxes), angle)
    moved = (polygons + away * rng.uniform(-1, 1, 2)) * 10**log_scale

    np.testing.assert_allclose(polygon_iou(moved, moved), box_iou(boxes, boxes), atol=1e-6)


def test_a_corner_on_an_edge_of_a_large_picture_is_not_lost() -> None:
    """A quarter is shared; with a tolerance in square pixels a ninth was found."""
    one = [(986.7386854156955, -355.12179679050314), (-1436.8493260710488, -149.72315270178024)]
    one += [(-1573.7817554635308, -1765.4484936929434), (849.8062560232136, -1970.8471377816663)]
    two = [(1123.6711148081777, 1260.6035442006596), (-1299.9168966785664, 1466.0021882893825)]
    two += [(-1505.3155407672893, -957.5858231973616), (918.2724707194545, -1162.984467286085)]

    assert polygon_iou(np.array([one]), np.array([two]))[0, 0] == pytest.approx(0.25, abs=1e-9)


def test_a_square_and_the_same_turned_by_an_eighth_share_an_octagon() -> None:
    square = upright(np.array([[-1.0, -1, 1, 1]]))
    other = turned(square, np.pi / 4) - 7.0
    octagon = 8 * (np.sqrt(2) - 1)

    assert polygon_iou(square, other)[0, 0] == pytest.approx(octagon / (8 - octagon))
    assert areas(other)[0] == pytest.approx(4)
    np.testing.assert_allclose(hulls(other)[0], np.array([-1, -1, 1, 1]) * np.sqrt(2))


@given(SEEDS, st.floats(0.05, 0.95))
@settings(deadline=None, max_examples=40)
def test_of_those_that_overlap_the_best_is_left(seed: int, iou: float) -> None:
    rng = np.random.default_rng(seed)
    polygons = turned(upright(some_boxes(rng, 12)), rng.uniform(0, 3))
    scores = rng.random(12)

    kept = polygon_suppression(polygons, scores, iou)

    assert kept[0] == scores.argmax()
    assert (np.diff(scores[kept]) <= 0).all()
    apart = polygon_iou(polygons[kept], polygons[kept]) - np.eye(len(kept))
    assert (apart <= iou + 1e-6).all()
    gone = np.setdiff1d(np.arange(12), kept)
    over = polygon_iou(polygons[gone], polygons[kept]) > iou - 1e-6
    assert all(
        (row & (scores[kept] >= scores[at])).any() for at, row in zip(gone, over, strict=True)
    )
    assert polygon_suppression(polygons, scores, iou, limit=2).tolist() == kept[:2].tolist()


def test_nothing_overlaps_nothing() -> None:
    none = np.zeros((0, 4, 2))

    assert polygon_iou(none, upright(np.array([[0.0, 0, 1, 1]]))).shape == (0, 1)
    assert len(polygon_suppression(none, np.zeros(0))) == 0
    with pytest.raises(ShapeError, match=r"got shape \(1, 4\); expected \(n, 4, 2\)"):
        polygon_iou(np.zeros((1, 4)), none)
