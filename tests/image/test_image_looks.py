"""Several looks at one picture: sizes that are merged, tiles that are the whole, fine looks."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sweepnet_service
from cnn_core import modelfile
from sweepnet_service.detectors.image import DetectOptions, ImageDetector
from sweepnet_service.detectors.image import sweep as sweeping
from sweepnet_service.detectors.image.found import Found
from sweepnet_service.detectors.image.layout import PLAIN
from sweepnet_service.detectors.image.looks import joined
from sweepnet_service.detectors.image.network import flower_net, without_species
from sweepnet_service.detectors.image.pixels import Picture
from sweepnet_service.detectors.image.sweep import swept
from sweepnet_service.errors import ModelUnreadable

MODEL = Path(str(files(sweepnet_service))) / "models" / "flower.safetensors"
EVERY = DetectOptions(thresholds={"flower": 0.0})


@pytest.fixture(scope="module")
def flower() -> ImageDetector:
    """The shipped one as one look at 256 px, and none into a mirror."""
    one = {"size_px": 256, "more_sizes_px": (), "mirrored": False, "fused": False}
    return replace(ImageDetector.load(MODEL), **one)  # type: ignore[arg-type]


def picture(width_px: int, height_px: int, seed: int = 0) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 255, (height_px, width_px, 3), dtype=np.uint8)
    return Picture(pixels, width_px, height_px)


@pytest.mark.parametrize(("width_px", "height_px"), [(320, 320), (320, 90), (70, 300)])
def test_tiles_are_the_whole(
    monkeypatch: pytest.MonkeyPatch, width_px: int, height_px: int
) -> None:
    """Scores on the picture do not depend on how its frame was cut."""
    rng = np.random.default_rng(1)
    net = without_species(flower_net(rng, widths=(8, 8, 8, 16, 16), pyramid=8))
    seen = picture(width_px, height_px)
    whole = swept(net, seen, 320)
    monkeypatch.setattr(sweeping, "TILE_PX", 96)

    tiled = swept(net, seen, 320)

    on_picture = sweeping._on_picture(whole.letterbox)
    np.testing.assert_allclose(tiled.scores[on_picture], whole.scores[on_picture], atol=1e-6)
    np.testing.assert_allclose(
        tiled.input_boxes[on_picture], whole.input_boxes[on_picture], rtol=1e-4, atol=1e-3
    )


def test_tiles_beside_the_picture_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    net = without_species(flower_net(np.random.default_rng(1), widths=(4,) * 5, pyramid=4))
    monkeypatch.setattr(sweeping, "TILE_PX", 64)

    tiled = swept(net, picture(320, 30), 320)

    assert (tiled.scores[:10] == 0).all()
    assert (tiled.scores[19:21] > 0).all()


def test_one_size_is_what_it_always_was(flower: ImageDetector) -> None:
    seen = picture(200, 120)
    once = flower.sweep(seen)

    found = flower.detect(seen, EVERY)

    assert found.scores == {"flower": once.presence[0]}
    assert found.boxes == once.found(0.0, EVERY).named(["flower"], PLAIN)


def test_several_sizes_are_merged_without_doubles(flower: ImageDetector) -> None:
    seen, both = picture(200, 120), replace(flower, more_sizes_px=(192,))
    looks = [flower.sweep(seen, size).found(0.0, EVERY).scores for size in (256, 192)]

    found = both.detect(seen, EVERY)

    presence = np.mean([flower.sweep(seen, size).presence[0] for size in (256, 192)])
    assert found.scores["flower"] == pytest.approx(presence)
    assert len(found.boxes) <= len(looks[0]) + len(looks[1])
    assert {box.score for box in found.boxes} <= {*map(float, np.concatenate(looks))}
    assert [b.score for b in found.boxes] == sorted((b.score for b in found.boxes), reverse=True)


@given(st.integers(0, 2**31), st.integers(1, 3))
@settings(deadline=None, max_examples=30)
def test_of_boxes_that_overlap_the_best_stays_whichever_look_saw_it(seed: int, looks: int) -> None:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(looks):
        low, scores = rng.uniform(0, 50, (6, 2)), np.sort(rng.random(6))[::-1]
        boxes = np.concatenate((low, low + 20), axis=1)
        none = np.zeros((6, 2), int)
        found.append(Found(none, scores, boxes, none[:, 0], np.zeros((6, 0, 2))))

    merged = joined(found, DetectOptions(max_boxes=5))

    assert merged.scores.max() == max(each.scores.max() for each in found)
    assert len(merged.scores) <= (6 if looks == 1 else 5)
    assert len(merged.scores) == len(merged.boxes) == len(merged.cells)


def test_a_fine_look_goes_down_to_the_pictures_own_pixels(flower: ImageDetector) -> None:
    two = replace(flower, more_sizes_px=(192,))

    assert flower.looks(picture(300, 200), tile=False) == (256,)
    assert flower.looks(picture(300, 200), tile=True) == (256, 320)
    assert two.looks(picture(1100, 700), tile=True) == (256, 192, 512, 1024, 1120)
    assert flower.looks(picture(100, 100), tile=True) == (256,)
    # A frame is a square, so a long strip would be one of gigabytes.
    assert flower.looks(picture(20_000, 20), tile=True) == (256, 512, 1024, 2048, 4096, 8192)


@pytest.mark.needs_data
def test_small_flowers_of_a_large_picture_are_found_in_tiles(
    flower: ImageDetector, data_dir: Path
) -> None:
    """Flowers of 90 pixels in a picture of 2400: too small for one look, found by finer ones."""
    from PIL import Image

    photo = data_dir / "images" / "flowers" / "val" / "tf_5028817729_f04d32bac8_n.jpg"
    with Image.open(photo) as image:
        part = np.asarray(image.convert("RGB"))
    pixels = np.full((1600, 2400, 3), (60, 90, 50), np.uint8)
    pixels[500 : 500 + part.shape[0], 700 : 700 + part.shape[1]] = part
    whole = Picture(pixels, 2400, 1600)

    once, tiled = flower.detect(whole), flower.detect(whole, DetectOptions(tile=True))

    assert len(tiled.boxes) >= 4 > len(once.boxes)
    assert tiled.scores["flower"] >= once.scores["flower"]
    for box in tiled.boxes:
        assert box.x_max_px > 700
        assert box.y_max_px > 500


def test_the_file_keeps_the_sizes(flower: ImageDetector, tmp_path: Path) -> None:
    path = tmp_path / "two.safetensors"
    replace(flower, more_sizes_px=(192, 416)).save(path)

    assert ImageDetector.load(path).sizes_px == (256, 192, 416)
    assert ImageDetector.load(MODEL).sizes_px == (320, 192)


@pytest.mark.parametrize("size", [100, 0, -32, 4096])
def test_sizes_that_cannot_be_are_refused(flower: ImageDetector, tmp_path: Path, size: int) -> None:
    path = tmp_path / "odd.safetensors"
    replace(flower, more_sizes_px=(size,)).save(path)

    with pytest.raises(ModelUnreadable, match=f"got input {size} px; expected a multiple of 32"):
        ImageDetector.load(path)
    assert modelfile.load(path).description["more_sizes_px"] == [size]
