"""Augmentation: boxes follow the pixels exactly, whatever the view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.image.augment import (
    Augmentation,
    View,
    coloured,
    damaged,
    draw_colour,
    draw_view,
    free_crop,
    mosaic,
    render,
    see,
)
from sweepnet_service.detectors.image.dataset import Photo
from sweepnet_service.detectors.image.inputs import GREY, normalise
from sweepnet_service.detectors.image.objects import Objects
from sweepnet_service.detectors.image.plain import plain_picture

SETTINGS = Augmentation()
RECTANGLES = Augmentation(outline="corners")
BOX = [30, 24, 78, 64]


def _photo(complete: bool = True) -> Photo:
    """Black with a white rectangle, and its box."""
    pixels = np.zeros((100, 140, 3), np.uint8)
    pixels[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 255
    boxes = np.array([BOX], np.float32)
    return Photo("white.png", pixels, Objects.of(boxes, np.array([2])), complete)


def _white(pixels: np.ndarray) -> list[int]:
    """The bounding box of what is brighter than grey."""
    rows, columns = np.nonzero(pixels[..., 0] > 185)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def _disc() -> Photo:
    """Black with a white ellipse that fills its box."""
    photo = _photo()
    x0, y0, x1, y1 = BOX
    y, x = np.mgrid[: photo.pixels.shape[0], : photo.pixels.shape[1]] + 0.5
    inside = ((x - (x0 + x1) / 2) / (x1 - x0)) ** 2 + ((y - (y0 + y1) / 2) / (y1 - y0)) ** 2 < 0.25
    pixels = np.where(inside[..., None], [255] * 3, 0).astype(np.uint8)
    return replace(photo, pixels=pixels)


@given(st.integers(0, 2**31), st.sampled_from([64, 96, 128]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_boxes_follow_the_pixels(seed: int, size: int, rectangle: bool) -> None:
    """Of a turned rectangle the new box holds all corners, of a turned ellipse just the ellipse."""
    photo, chosen = (_photo(), RECTANGLES) if rectangle else (_disc(), SETTINGS)
    view = draw_view(np.random.default_rng(seed), photo, size, size, chosen)

    seen = see(photo, view, chosen)

    assert seen.pixels.shape == (size, size, 3)
    moved = view.move(photo.boxes.astype(float), chosen.outline)
    # What the frame cuts off need not touch the cut box's sides.
    if len(seen.boxes) and (moved >= 0).all() and (moved <= size).all():
        # Interpolation blurs an edge over a source pixel, and thin tips fade.
        blur = 2 + 1.5 * np.abs(np.array(view.matrix)).sum(axis=1).max()
        np.testing.assert_allclose(_white(seen.pixels), seen.boxes[0], atol=blur)


@given(st.integers(0, 2**31))
@settings(deadline=None)
def test_corners_go_where_their_pixels_go(seed: int) -> None:
    """A point's colour is found again at its place in the view, whatever the map."""
    rng = np.random.default_rng(seed)
    ramp = np.stack(np.broadcast_arrays(*np.mgrid[:100, :140], 0), axis=-1).astype(np.uint8)
    photo = replace(_photo(), pixels=ramp)
    view = draw_view(rng, photo, 96, 128, SETTINGS)

    frame = render(ramp, view)

    points = rng.uniform((4, 4), (136, 96), (40, 2))
    for (x, y), (u, v) in zip(points, view.points(points), strict=True):
        if 2 <= u < view.width - 2 and 2 <= v < view.height - 2:
            # Nearest frame pixel: half a frame pixel off, and as much again by interpolation.
            least = np.linalg.svd(np.array(view.matrix), compute_uv=False).min()
            np.testing.assert_allclose(
                frame[int(v), int(u), :2], (y - 0.5, x - 0.5), atol=1.5 + 1.5 / least
            )


@given(st.integers(0, 2**31))
@settings(deadline=None)
def test_a_mirrored_view_is_the_mirror_of_the_view(seed: int) -> None:
    plain = draw_view(np.random.default_rng(seed), _photo(), 96, 64, SETTINGS)
    boxes = _photo().boxes.astype(float)

    there = plain.mirrored().move(boxes)

    difference = render(_photo().pixels, plain.mirrored())[:, ::-1].astype(int)
    difference -= render(_photo().pixels, plain)
    assert (np.abs(difference) > 1).mean() < 0.01
    np.testing.assert_allclose(96 - there[:, [2, 0]], plain.move(boxes)[:, [0, 2]])


def test_the_identity_view_is_the_picture_on_grey() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)

    frame = render(pixels, View.upright(40, 24, (1.0, 1.0), (5.0, 2.0)))

    np.testing.assert_array_equal(frame[2:22, 5:35], pixels)
    assert (frame[:2] == GREY).all()
    assert (frame[:, 35:] == GREY).all()


def test_a_box_cut_to_little_becomes_an_ignored_region() -> None:
    seen = see(_photo(), View.upright(140, 100, (1.0, 1.0), (-70.0, 0.0)), SETTINGS)

    assert len(seen.boxes) == 0
    assert seen.ignored.tolist() == [[0, 24, 8, 64]]


def test_all_of_an_incomplete_photo_is_ignored_but_its_boxes_stay() -> None:
    seen = see(_photo(complete=False), View.upright(140, 100, (1.0, 1.0), (0.0, 0.0)), SETTINGS)

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
    grey = Augmentation(grey_share=1.0, channel_gain=0.0, channel_offset=0.0, hue_deg=180.0)
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
    assert len(first.boxes) == len(first.objects.species) == 0
    np.testing.assert_array_equal(first.pixels, again.pixels)


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_damage_keeps_shapes_and_hides_what_is_cut_out(seed: int) -> None:
    """Whatever happens to the pixels, no box is lost: it stays, or becomes a region of doubt."""
    always = Augmentation(damage_share=1.0)
    seen = see(_photo(), View.upright(140, 100, (1.0, 1.0), (0.0, 0.0)), always)

    first, again = (damaged(np.random.default_rng(seed), seen, always) for _ in range(2))

    assert first.pixels.shape == seen.pixels.shape
    assert first.pixels.dtype == np.uint8
    assert len(first.boxes) + len(first.ignored) == 1
    assert len(first.objects.species) == len(first.boxes)
    assert not np.array_equal(first.pixels, seen.pixels)
    np.testing.assert_array_equal(first.pixels, again.pixels)


def test_without_damage_the_sample_stays() -> None:
    never = Augmentation(damage_share=0.0)
    seen = see(_photo(), View.upright(140, 100, (1.0, 1.0), (0.0, 0.0)), never)

    np.testing.assert_array_equal(
        damaged(np.random.default_rng(0), seen, never).pixels, seen.pixels
    )


@given(st.integers(0, 2**31))
def test_a_free_crop_shows_nothing_of_the_objects(seed: int) -> None:
    doubted = replace(_photo(), doubtful=np.array([[100, 0, 140, 40]], np.float32))
    doubted.pixels[:40, 100:] = 255

    crop = free_crop(np.random.default_rng(seed), doubted)

    if crop is not None:
        assert crop.pixels.max() == 0
        assert min(crop.pixels.shape[:2]) >= 24
        assert crop.complete
        assert len(crop.boxes) == 0


def test_no_free_crop_of_what_is_incomplete_or_full() -> None:
    rng = np.random.default_rng(0)
    full = replace(_photo(), objects=Objects.of(np.array([[0, 0, 140, 100]], np.float32)))

    assert free_crop(rng, _photo(complete=False)) is None
    assert free_crop(rng, full) is None
