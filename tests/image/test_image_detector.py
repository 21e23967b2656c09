"""The detector: boxes in the picture's own pixels, thresholds, score map, files, wrong options."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from cnn_core import modelfile
from cnn_core.layers import Conv2d, Sequential
from sweepnet_service.detectors.image import DetectOptions, ImageDetector, OperatingPoint
from sweepnet_service.detectors.image.layout import PLAIN
from sweepnet_service.detectors.image.network import flower_net, without_species
from sweepnet_service.detectors.image.pixels import read_picture
from sweepnet_service.errors import InvalidInput, ModelUnreadable

SIZE = 64


def _net() -> Sequential:
    """Random, but with scores spread over 0..1 and boxes of different sizes."""
    rng = np.random.default_rng(8)
    net = without_species(flower_net(rng, (8, 8, 8, 8, 8), 8))
    last = Conv2d.create(rng, 8, 5, 1)
    return Sequential((*net.layers[:-1], last))


@pytest.fixture(scope="module")
def detector() -> ImageDetector:
    return ImageDetector(
        net=_net(),
        labels=("thing",),
        size_px=SIZE,
        operating_points={"thing": (OperatingPoint(0.5, 0.1, 0.2),)},
        default_thresholds={"thing": 0.5},
        card={"label": "thing"},
    )


def _noise(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (max(2, height // 9), max(2, width // 9), 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height))


def _png(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


ALL = DetectOptions(thresholds={"thing": 0.0}, overlap_iou=1.0, max_boxes=10_000, score_map=True)


@given(st.integers(1, 300), st.integers(1, 300))
@example(20000, 1)
@example(1, 20000)
@example(3000, 2)
@settings(max_examples=30, deadline=None)
def test_boxes_and_map_lie_in_any_picture(detector: ImageDetector, width: int, height: int) -> None:
    found = detector.detect(_png(_noise(width, height)), ALL)

    assert (found.width_px, found.height_px) == (width, height)
    for box in found.boxes:
        assert 0 <= box.x_min_px < box.x_max_px <= width
        assert 0 <= box.y_min_px < box.y_max_px <= height
        assert box.score <= found.scores["thing"]
        assert box.corners_px[0] == (box.x_min_px, box.y_min_px)
        assert box.corners_px[2] == (box.x_max_px, box.y_max_px)
    assert found.score_map is not None
    rows, columns, labels = found.score_map.scores.shape
    assert min(rows, columns) >= 1
    assert labels == 1
    if min(width, height) > max(width, height) / 4:
        for count, start, step, limit in zip(
            (rows, columns),
            found.score_map.start_px,
            found.score_map.step_px,
            (height, width),
            strict=True,
        ):
            assert 0 <= start < step
            assert start + (count - 1) * step <= limit


@pytest.mark.parametrize("size", [(20000, 1), (300, 40), (40, 300), (200, 200)])
def test_nothing_is_found_beside_the_picture(
    detector: ImageDetector, size: tuple[int, int]
) -> None:
    swept = detector.sweep(read_picture(_png(_noise(*size))))
    on_picture = swept.picture_map().scores

    boxes = swept.found(0.0, replace(ALL, max_boxes=100_000)).named(["thing"], PLAIN)

    assert len(boxes) <= on_picture.size
    assert {box.score for box in boxes} <= set(on_picture.ravel().tolist())


def test_presence_is_the_largest_score_of_the_map(detector: ImageDetector) -> None:
    found = detector.detect(_png(_noise(120, 80)), ALL)

    assert found.score_map is not None
    assert found.scores == {"thing": pytest.approx(float(found.score_map.scores.max()))}


def test_boxes_come_best_first_above_the_threshold_and_apart(detector: ImageDetector) -> None:
    content = _png(_noise(120, 80))
    every = detector.detect(content, ALL)
    middle = sorted(b.score for b in every.boxes)[len(every.boxes) // 2]

    found = detector.detect(content, DetectOptions({"thing": middle}, 0.3, max_boxes=5))

    scores = [b.score for b in found.boxes]
    assert scores == sorted(scores, reverse=True)
    assert 1 <= len(scores) <= 5
    assert min(scores) >= middle
    assert found.score_map is None


@pytest.mark.parametrize(("orientation", "turn"), [(3, 180), (6, 90), (8, 270)])
def test_a_turned_picture_gives_the_boxes_of_the_upright_one(
    detector: ImageDetector, orientation: int, turn: int
) -> None:
    upright = _noise(120, 80)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = _png(upright.rotate(turn, expand=True), exif=exif)

    plain, found = detector.detect(_png(upright), ALL), detector.detect(turned, ALL)

    assert (found.width_px, found.height_px) == (120, 80)
    assert found.boxes == plain.boxes


def test_a_file_and_its_bytes_give_the_same(detector: ImageDetector, tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    path.write_bytes(_png(_noise(50, 90)))

    assert detector.detect(path, ALL).boxes == detector.detect(path.read_bytes(), ALL).boxes


def test_a_detector_comes_back_from_its_file(detector: ImageDetector, tmp_path: Path) -> None:
    path = tmp_path / "thing.safetensors"
    detector.save(path)

    loaded = ImageDetector.load(path)

    content = _png(_noise(120, 80))
    assert loaded.detect(content, ALL).boxes == detector.detect(content, ALL).boxes
    assert loaded.labels == detector.labels
    assert loaded.operating_points == detector.operating_points
    assert loaded.default_thresholds == detector.default_thresholds
    assert loaded.card == detector.card


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (DetectOptions({"cat": 0.5}), "got label 'cat'; expected one of"),
        (DetectOptions({"thing": 1.5}), "thing: got 1.5; expected a number from 0 to 1"),
        (DetectOptions({"thing": float("nan")}), "thing: got nan"),
        (DetectOptions(overlap_iou=-1), "overlap_iou: got -1"),
        (DetectOptions(max_boxes=0), "max_boxes: got 0; expected at least 1"),
    ],
)
def test_wrong_options_are_told(detector: ImageDetector, options: DetectOptions, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        detector.detect(_png(_noise(20, 20)), options)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"no model at all")

    with pytest.raises(ModelUnreadable, match=r"bad\.safetensors"):
        ImageDetector.load(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "keyword"}, "got kind 'keyword'"),
        ({"labels": None}, "lacks something"),
        ({"labels": ["a", "b"]}, "expected different ones, each with its threshold"),
        ({"input": {"size_px": 64}}, "got pixels"),
    ],
)
def test_a_model_of_another_make_is_refused(
    detector: ImageDetector, tmp_path: Path, change: dict[str, object], told: str
) -> None:
    path = tmp_path / "other.safetensors"
    detector.save(path)
    model = modelfile.load(path)
    modelfile.save(path, model.net, {**model.description, **change})

    with pytest.raises(ModelUnreadable, match=told):
        ImageDetector.load(path)
