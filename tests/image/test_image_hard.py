"""Parts close round objects, and hard negatives: what they show, and who may ask for them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sweepnet_service.detectors.image.augment import Augmentation, close_crop
from sweepnet_service.detectors.image.batches import batch, material, pool
from sweepnet_service.detectors.image.config import Shares, TrainConfig
from sweepnet_service.detectors.image.dataset import Photo
from sweepnet_service.detectors.image.fit import settings as settings_of
from sweepnet_service.detectors.image.hard import Hard, mined
from sweepnet_service.detectors.image.objects import Objects
from sweepnet_service.detectors.image.train import check
from sweepnet_service.errors import InvalidInput

VIEWS = Augmentation()
SEEDS = st.integers(0, 2**31)


def _photo(box: tuple[int, int, int, int] | None, size: tuple[int, int] = (100, 140)) -> Photo:
    """Black, with a white rectangle where its one object is."""
    pixels = np.zeros((*size, 3), np.uint8)
    objects = Objects.none()
    if box is not None:
        x0, y0, x1, y1 = box
        pixels[y0:y1, x0:x1] = 255
        objects = Objects.of(np.array([box], np.float32), np.array([2]))
    return Photo("white.png", pixels, objects, True)


def _crop(seed: int, photo: Photo) -> Photo:
    return close_crop(np.random.default_rng(seed), photo, VIEWS)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_the_box_of_a_close_crop_holds_what_is_white_in_it(seed: int) -> None:
    crop = _crop(seed, _photo((30, 24, 78, 64)))

    rows, columns = np.nonzero(crop.pixels[..., 0])
    white = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    told = np.concatenate((crop.boxes, crop.doubtful))
    np.testing.assert_array_equal(told, [white])
    assert len(crop.boxes) == 0 or crop.objects.species.tolist() == [2]


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_a_close_crop_shows_the_middle_of_an_object(seed: int) -> None:
    crop = _crop(seed, _photo((30, 24, 78, 64)))

    assert crop.pixels.any()
    assert min(crop.pixels.shape[:2]) >= 48
    assert crop.complete


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_what_fills_a_crop_is_an_object_however_little_of_it_is_seen(seed: int) -> None:
    crop = _crop(seed, _photo((0, 0, 400, 300), (300, 400)))

    height, width = crop.pixels.shape[:2]
    np.testing.assert_array_equal(crop.boxes, [[0, 0, width, height]])
    assert not len(crop.doubtful)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_a_corner_of_an_object_in_a_crop_is_neither_object_nor_background(seed: int) -> None:
    boxes = np.array([[0, 0, 60, 60], [55, 55, 215, 215]], np.float32)
    photo = replace(_photo(None, (300, 400)), objects=Objects.of(boxes))

    crop = _crop(seed, photo)

    height, width = crop.pixels.shape[:2]
    assume(len(crop.doubtful))
    for x0, y0, x1, y1 in crop.doubtful.tolist():
        assert (x1 - x0) * (y1 - y0) < 0.35 * 160 * 160
        assert (x1 - x0) * (y1 - y0) < 0.5 * height * width


@pytest.mark.parametrize("photo", [_photo(None), _photo((3, 3, 30, 30), (40, 300))])
def test_a_photo_without_objects_or_room_stays_whole(photo: Photo) -> None:
    assert _crop(0, photo) is photo


def _by_brightness() -> Any:
    """A detector that takes what is bright for an object, told by its coarsest look."""

    def sweep(picture: Any, size_px: int) -> Any:
        assert size_px == 32
        return SimpleNamespace(presence=np.array([picture.pixels.mean() / 255]))

    return SimpleNamespace(sizes_px=(64, 32), sweep=sweep)


def _grey(level: int) -> Photo:
    return replace(_photo(None), pixels=np.full((100, 140, 3), level, np.uint8))


def test_negatives_that_look_like_objects_are_hard() -> None:
    hard = mined(_by_brightness(), (), (_grey(20), _grey(200)), 0.5, 0)

    assert len(hard.photos) == 5  # the bright one and parts of it
    assert hard.scores == pytest.approx([200 / 255] * 5)
    assert all(not len(photo.boxes) and photo.complete for photo in hard.photos)


@pytest.mark.parametrize(("level", "hard"), [(20, False), (100, True), (200, False)])
def test_beside_objects_what_is_surely_one_is_taken_for_an_unlabelled_one(
    level: int, hard: bool
) -> None:
    photo = replace(_grey(level), objects=Objects.of(np.array([[0, 0, 20, 20]], np.float32)))

    assert bool(mined(_by_brightness(), (photo,), (), 0.5, 0).photos) == hard


def test_the_hardest_are_drawn_most() -> None:
    easy, harder = _grey(1), _grey(2)
    rng = np.random.default_rng(0)
    drawn = [Hard((easy, harder), (0.2, 0.8)).draw(rng) is harder for _ in range(2000)]

    assert np.mean(drawn) == pytest.approx(0.8, abs=0.04)


def test_hard_negatives_take_their_share_of_the_negatives(config: TrainConfig) -> None:
    only = replace(config, shares=Shares(0, 0, 1), hard_share=1.0)
    photos = pool(material(only).learn, only.species)
    bright = replace(photos, hard=Hard((_grey(255),), (1.0,)))

    plain, hard = (batch(each, only, 0).inputs.mean() for each in (photos, bright))

    assert hard > plain


def test_a_training_that_uses_neither_is_the_one_it_was(config: TrainConfig) -> None:
    """So that one from before goes on."""
    assert not {"hard_share", "close_share"} & set(settings_of(config))
    assert settings_of(replace(config, close_share=0.2))["close_share"] == 0.2


def test_without_a_teacher_nothing_is_hard(config: TrainConfig) -> None:
    with pytest.raises(InvalidInput, match=r"settings\.hard_share: got no teacher; expected one"):
        check(replace(config, hard_share=0.5))


@pytest.mark.parametrize("shape", ["turned", "presence"])
def test_only_upright_boxes_have_close_crops(config: TrainConfig, shape: str) -> None:
    told = rf"settings\.close_share: got 0\.2, and the shape '{shape}'; expected 0"
    with pytest.raises(InvalidInput, match=told):
        check(replace(config, close_share=0.2, shape=shape))
