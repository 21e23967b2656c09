"""Augmentation: boxes follow the pixels exactly, whatever the view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.image.augment import (
    GREY,
    Augmentation,
    View,
    coloured,
    draw_colour,
    draw_view,
    mosaic,
    normalise,
    render,
    see,
)
from sweepnet_service.detectors.image.dataset import Photo
from sweepnet_service.detectors.image.plain import plain_picture

SETTINGS = Augmentation()
BOX = [30, 24, 78, 64]


def _photo(complete: bool = True) -> Photo:
    """Black with a white rectangle, and its box."""
    pixels = np.zeros((100, 140, 3), np.uint8)
    pixels[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 255
    boxes = np.array([BOX], np.float32)
    return Photo("white.png", pixels, boxes, np.array([2]), complete)


def _white(pixels: np.ndarray) -> list[int]:
    """The bounding box of what is brighter than grey."""
    rows, columns = np.nonzero(pixels[..., 0] > 185)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@given(st.integers(0, 2**31), st.sampled_from([64, 96, 128]))
@settings(max_examples=150)
def test_boxes_follow_the_pixels(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    view = draw_view(rng, _photo(), size, size, SETTINGS)

    seen = see(_photo(), view, SETTINGS)

    assert seen.pixels.shape == (size, size, 3)
    if len(seen.boxes):
        # Interpolation blurs an edge over a source pixel; a cut-off pixel at the frame's edge too.
        blur = 1.5 + max(view.scale)
        np.testing.assert_allclose(_white(seen.pixels), seen.boxes[0], atol=blur)


@given(st.integers(0, 2**31))
def test_a_mirrored_view_is_the_mirror_of_the_view(seed: int) -> None:
    view = draw_view(np.random.default_rng(seed), _photo(), 96, 64, SETTINGS)
    plain, mirrored = replace(view, flip=False), replace(view, flip=True)
    boxes = _photo().boxes.astype(float)

    there = mirrored.move(boxes)

    np.testing.assert_array_equal(
        render(_photo().pixels, mirrored), render(_photo().pixels, plain)[:, ::-1]
    )
    np.testing.assert_allclose(96 - there[:, [2, 0]], plain.move(boxes)[:, [0, 2]])


def test_the_identity_view_is_the_picture_on_grey() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)

    frame = render(pixels, View(40, 24, (1.0, 1.0), (5.0, 2.0)))

    np.testing.assert_array_equal(frame[2:22, 5:35], pixels)
    assert (frame[:2] == GREY).all()
    assert (frame[:, 35:] == GREY).all()


def test_a_box_cut_to_little_becomes_an_ignored_region() -> None:
    seen = see(_photo(), View(140, 100, (1.0, 1.0), (-70.0, 0.0)), SETTINGS)

    assert len(seen.boxes) == 0
    assert seen.ignored.tolist() == [[0, 24, 8, 64]]


def test_all_of_an_incomplete_photo_is_ignored_but_its_boxes_stay() -> None:
    seen = see(_photo(complete=False), View(140, 100, (1.0, 1.0), (0.0, 0.0)), SETTINGS)

    assert seen.boxes.tolist() == [BOX]
    assert seen.ignored.tolist() == [[0, 0, 140, 100]]


@given(st.integers(0, 2**31))
@settings(max_examples=50)
def test_a_mosaic_keeps_boxes_in_the_frame_on_white(seed: int) -> None:
    rng = np.random.default_rng(seed)

    seen = mosaic(_photo, rng, 128, SETTINGS)

    assert seen.pixels.shape == (128, 128, 3)
    assert (seen.boxes >= 0).all()
    assert (seen.boxes <= 128).all()
    for x0, y0, x1, y1 in seen.boxes:
        middle = seen.pixels[int((y0 + y1) / 2), int((x0 + x1) / 2), 0]
        assert middle > 250


def test_no_change_of_colour_is_plain_normalisation() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (6, 7, 3), dtype=np.uint8)

    same = coloured(pixels, np.eye(3, dtype=np.float32), np.zeros(3, np.float32))

    np.testing.assert_allclose(same, normalise(pixels), atol=1e-5)


def test_without_saturation_the_channels_differ_by_gain_and_offset_only() -> None:
    grey = Augmentation(grey_share=1.0, channel_gain=0.0, channel_offset=0.0)
    pixels = np.random.default_rng(2).integers(0, 255, (6, 7, 3), dtype=np.uint8)

    result = coloured(pixels, *draw_colour(np.random.default_rng(3), grey))

    np.testing.assert_allclose(result[..., 0], result[..., 2], atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_generator_draws_the_same_view(seed: int) -> None:
    first, second = (
        draw_view(np.random.default_rng(seed), _photo(), 96, 96, SETTINGS) for _ in range(2)
    )

    assert first == second


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_a_plain_picture_holds_nothing_and_is_repeatable(seed: int) -> None:
    """Negatives drawn by chance: RGB of some size, complete, without a box; the seed decides."""
    first, again = (plain_picture(np.random.default_rng(seed)) for _ in range(2))

    assert first.pixels.ndim == 3
    assert first.pixels.shape[2] == 3
    assert first.pixels.dtype == np.uint8
    assert first.complete
    assert len(first.boxes) == len(first.species) == 0
    np.testing.assert_array_equal(first.pixels, again.pixels)
