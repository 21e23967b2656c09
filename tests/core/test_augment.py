"""Views of pictures: exact where pixels fall on pixels, and corners that follow the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_core.augment import LECTURES, Augmentation, move, move_boxes, warp
from cnn_core.batches import Arrays
from cnn_core.errors import GeometryError, ShapeError

KINDS = {
    "turn": Augmentation(turn_deg=180),
    "shift": Augmentation(shift_px=3),
    "rescale": Augmentation(rescale=1.6),
    "shear": Augmentation(shear_deg=20),
    "stretch": Augmentation(stretch=1.3),
    "flip": Augmentation(flip_share=1),
    "all": LECTURES,
}


def pictures(count=3, height=9, width=7, channels=2):
    return np.random.default_rng(1).random((count, height, width, channels))


def about_the_middle(linear, height, width, shift=(0, 0)):
    """One map that turns or scales by `linear` about the middle of a picture."""
    centre = np.array([width, height]) / 2
    linear = np.array(linear, float)
    return np.concatenate((linear, (centre + shift - linear @ centre)[:, None]), axis=1)[None]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_asked_is_nothing_done(seed):
    x = pictures()
    maps = Augmentation().draw(np.random.default_rng(seed), 3, 9, 7)

    np.testing.assert_array_equal(warp(x, maps), x)


def test_a_mirrored_picture_is_read_from_the_right():
    x = pictures()
    maps = KINDS["flip"].draw(np.random.default_rng(0), 3, 9, 7)

    np.testing.assert_array_equal(warp(x, maps), x[:, :, ::-1])


def test_about_half_are_mirrored():
    maps = Augmentation(flip_share=0.5).draw(np.random.default_rng(0), 2000, 8, 8)

    assert 0.45 < (maps[:, 0, 0] < 0).mean() < 0.55


@given(right=st.integers(-9, 9), down=st.integers(-9, 9))
def test_whole_shifts_move_pixels_and_fill_what_comes_in(right, down):
    x = pictures(1, 6, 5)
    view = warp(x, about_the_middle(np.eye(2), 6, 5, (right, down)), fill=-1.0)
    expected = np.full_like(x, -1.0)
    for row in range(6):
        for column in range(5):
            if 0 <= row - down < 6 and 0 <= column - right < 5:
                expected[0, row, column] = x[0, row - down, column - right]

    np.testing.assert_allclose(view, expected, atol=1e-6)


def test_a_quarter_turn_turns_every_pixel():
    """A positive angle turns x towards y: clockwise as pictures are looked at."""
    x = pictures(1, 6, 6)
    view = warp(x, about_the_middle([[0, -1], [1, 0]], 6, 6))

    np.testing.assert_allclose(view[0], np.rot90(x[0], k=-1), atol=1e-6)


def test_a_picture_twice_as_large_shows_its_middle():
    x = np.tile(np.arange(8.0)[:, None], (1, 8))[None, ..., None]
    view = warp(x, about_the_middle(2 * np.eye(2), 8, 8))

    np.testing.assert_allclose(view[0, :, 4, 0], (np.arange(8) + 0.5 - 4) / 2 + 4 - 0.5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_points_follow_the_pixels(kind):
    """A soft spot is found where `move` says, but for what blending four pixels smears."""
    rng = np.random.default_rng(3)
    height, width, count = 64, 56, 12
    maps = KINDS[kind].draw(rng, count, height, width)
    spots = rng.uniform(24, 34, (count, 1, 2))
    rows, columns = np.mgrid[:height, :width] + 0.5
    distance = (columns - spots[..., :1]) ** 2 + (rows - spots[..., 1:]) ** 2
    views = warp(np.exp(-distance / 8)[..., None], maps)[..., 0]
    total = views.sum(axis=(1, 2))
    found = np.stack([(views * c).sum(axis=(1, 2)) / total for c in (columns, rows)], axis=-1)

    np.testing.assert_allclose(found, move(spots, maps)[:, 0], atol=0.05)


def test_boxes_go_round_their_moved_corners():
    maps = about_the_middle([[0, -1], [1, 0]], 10, 10)
    boxes = np.array([[[1.0, 2.0, 4.0, 8.0]]])

    np.testing.assert_allclose(move_boxes(boxes, maps), [[[2.0, 1.0, 8.0, 4.0]]], atol=1e-12)


@given(seed=st.integers(0, 1000))
def test_draws_stay_within_their_limits(seed):
    """Each kind alone, read back from its matrix."""
    rng = np.random.default_rng(seed)
    limits = Augmentation(30, 4, 1.6, 20, 1.3)
    turned = Augmentation(turn_deg=30).draw(rng, 5, 8, 8)[:, :, :2]
    assert (np.abs(np.rad2deg(np.arctan2(turned[:, 1, 0], turned[:, 0, 0]))) <= 30).all()
    shifted = Augmentation(shift_px=4).draw(rng, 5, 8, 8)
    assert (np.abs(shifted[:, :, 2]) <= 4).all()
    sheared = Augmentation(shear_deg=20).draw(rng, 5, 8, 8)
    assert (np.abs(sheared[:, 0, 1]) <= np.tan(np.deg2rad(20))).all()
    areas = np.abs(np.linalg.det(limits.draw(rng, 5, 8, 8)[:, :, :2]))
    assert ((areas >= 1.6**-2) & (areas <= 1.6**2)).all()
    stretched = Augmentation(stretch=1.3).draw(rng, 5, 8, 8)
    np.testing.assert_allclose(stretched[:, 0, 0] * stretched[:, 1, 1], 1)
    assert (stretched[:, 0, 0] <= 1.3).all()


def test_kinds_are_drawn_apart():
    """The shift of a seed is the same whether or not pictures are turned as well."""
    alone = Augmentation(shift_px=2).draw(np.random.default_rng(4), 5, 8, 8)
    both = Augmentation(shift_px=2, turn_deg=90).draw(np.random.default_rng(4), 5, 8, 8)
    middle = np.full((5, 1, 2), 4.0)

    np.testing.assert_allclose(move(middle, alone), move(middle, both))


def test_a_view_does_not_depend_on_who_shares_its_batch():
    x = pictures(4)
    maps = LECTURES.draw(np.random.default_rng(5), 4, 9, 7)
    together = warp(x, maps)

    for i in range(4):
        np.testing.assert_allclose(warp(x[i : i + 1], maps[i : i + 1])[0], together[i], atol=1e-5)


def test_single_precision_stays():
    x = pictures().astype(np.float32)

    assert warp(x, LECTURES.draw(np.random.default_rng(6), 3, 9, 7)).dtype == np.float32


def test_one_map_for_each_picture_is_asked_for():
    with pytest.raises(ShapeError, match="one map for each picture"):
        warp(pictures(3), LECTURES.draw(np.random.default_rng(0), 2, 9, 7))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
def test_whole_numbers_are_blended_as_numbers_and_rounded(dtype):
    """Half a pixel between 10 and 200 is 105, whichever of them stands on the left."""
    x = np.random.default_rng(2).integers(0, 256, (2, 6, 6, 3)).astype(dtype)
    maps = np.repeat(about_the_middle(np.eye(2), 6, 6, (0.5, 0.25)), 2, axis=0)
    view = warp(x, maps, fill=7)

    assert view.dtype == dtype
    np.testing.assert_array_equal(view, np.rint(warp(x.astype(np.float32), maps, fill=7)))


def test_a_fill_beyond_the_type_is_the_types_own_limit():
    x = np.zeros((1, 4, 4, 1), np.uint8)
    shifted = about_the_middle(np.eye(2), 4, 4, (2, 0))

    assert warp(x, shifted, fill=-1).max() == 0
    assert warp(x, shifted, fill=999)[0, 0, 0, 0] == 255


@pytest.mark.parametrize(
    "settings",
    [
        {"rescale": 0.0},
        {"rescale": -1.5},
        {"stretch": np.nan},
        {"flip_share": 7},
        {"shear_deg": 90},
        {"turn_deg": -10},
        {"shift_px": np.inf},
    ],
)
def test_settings_that_give_no_map_are_refused(settings):
    with pytest.raises(GeometryError, match=f"{next(iter(settings))}=.*expected"):
        Augmentation(**settings)


@pytest.mark.parametrize("linear", [[[1, 1], [1, 1]], [[np.nan, 0], [0, 1]]])
def test_maps_that_cannot_be_turned_back_are_refused(linear):
    with pytest.raises(GeometryError, match="leave some area"):
        warp(pictures(1), about_the_middle(linear, 9, 7))


def test_an_augmentation_is_what_batches_take():
    """The views of a batch are those of its maps."""
    x = pictures()
    expected = warp(x, LECTURES.draw(np.random.default_rng(8), 3, 9, 7))

    np.testing.assert_array_equal(LECTURES(x, np.random.default_rng(8)), expected)
    arrays = Arrays(x, np.arange(3), augment=LECTURES)
    views, _ = arrays.batch(np.arange(3), np.random.default_rng(8))
    np.testing.assert_array_equal(views, expected)
