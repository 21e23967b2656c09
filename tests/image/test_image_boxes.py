"""Boxes: cells and back, letterbox and back, corners."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sweepnet_service.detectors.image.boxes import (
    SIDE_UNIT_PX,
    Letterbox,
    boxes_of,
    cell_centres,
    corners,
)

sides = st.integers(1, 5000)


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 6))
def test_outputs_are_logarithms_of_the_way_from_the_cell_to_each_side(
    seed: int, rows: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    y, x = cell_centres(rows, columns)
    sides_px = rng.uniform(1, 800, (rows, columns, 4))

    left, top, right, bottom = np.moveaxis(boxes_of(np.log(sides_px / SIDE_UNIT_PX)), -1, 0)

    found = np.stack((x - left, y - top, right - x, bottom - y), axis=-1)
    np.testing.assert_allclose(found, sides_px, rtol=1e-6, atol=1e-3)


def test_zero_outputs_mean_a_box_of_16_pixels_to_each_side() -> None:
    assert boxes_of(np.zeros((1, 2, 4)))[0, 1].tolist() == [12 - 16, 4 - 16, 12 + 16, 4 + 16]


@given(sides, sides, st.sampled_from([32, 96, 256]), st.integers(0, 2**31))
def test_boxes_come_back_from_the_letterbox(width: int, height: int, size: int, seed: int) -> None:
    box = Letterbox.of(width, height, size)
    low = np.random.default_rng(seed).uniform(0, 0.5, (5, 2))
    boxes = np.concatenate((low, low + 0.5), axis=1) * [width, height, width, height]

    x0, y0, x1, y1 = box.inner
    scale = np.array([x1 - x0, y1 - y0] * 2) / [width, height, width, height]
    back = box.to_picture(boxes * scale + [x0, y0, x0, y0])

    np.testing.assert_allclose(back, boxes, atol=1e-6 * max(width, height))


@given(sides, sides, st.sampled_from([32, 256]))
def test_the_letterbox_fills_one_axis_and_lies_in_the_middle(
    width: int, height: int, size: int
) -> None:
    x0, y0, x1, y1 = Letterbox.of(width, height, size).inner

    assert max(x1 - x0, y1 - y0) == size
    assert 0 <= x0 <= size - x1 <= x0 + 1
    assert 0 <= y0 <= size - y1 <= y0 + 1


def test_boxes_outside_the_picture_are_clipped() -> None:
    box = Letterbox.of(200, 100, 256)

    assert box.to_picture(np.array([[-50.0, -50, 500, 500]])).tolist() == [[0, 0, 200, 100]]


def test_corners_run_clockwise_from_the_top_left() -> None:
    assert corners((1, 2, 3, 4)) == ((1, 2), (3, 2), (3, 4), (1, 4))
