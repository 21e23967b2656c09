"""Looks into a mirror, and boxes merged by their mean: a mirrored picture has mirrored boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core import modelfile
from cnn_core.fold import fold
from sweepnet_service.detectors.image import DetectOptions, ImageDetector
from sweepnet_service.detectors.image import sweep as sweeping
from sweepnet_service.detectors.image.boxes import Letterbox
from sweepnet_service.detectors.image.found import Found
from sweepnet_service.detectors.image.layout import PLAIN, POINTS, PRESENCE, TURNED, Layout
from sweepnet_service.detectors.image.looks import fused
from sweepnet_service.detectors.image.mirror import Mirror, nearest_order
from sweepnet_service.detectors.image.network import flower_net, without_species
from sweepnet_service.detectors.image.pixels import Picture
from sweepnet_service.detectors.image.results import Detections
from sweepnet_service.errors import ModelUnreadable

SEEDS = st.integers(0, 2**31)
EYES = ("left_eye", "right_eye", "nose")
LAYOUTS = (PLAIN, Layout(3), Layout(2, TURNED), Layout(1, POINTS, EYES), Layout(2, PRESENCE))
LOW = 0.1
TWO: dict[str, object] = {"more_sizes_px": (32,)}


def detector_of(layout: Layout, **changes: object) -> ImageDetector:
    """A small random one that looks into a mirror; its scores lie around a half."""
    rng = np.random.default_rng(7)
    net = without_species(flower_net(rng, (4,) * 5, 4, 2, layout), layout)
    last = net.layers[-1]
    weight = rng.normal(0, 1, last.weight.shape).astype(np.float32)  # type: ignore[attr-defined]
    spread = replace(last, weight=weight, bias=np.zeros(layout.channels, np.float32))  # type: ignore[call-arg]
    labels = tuple("xyz"[: layout.labels])
    settings: dict[str, object] = {
        "net": fold(replace(net, layers=(*net.layers[:-1], spread))),
        "labels": labels,
        "size_px": 64,
        "operating_points": dict.fromkeys(labels, ()),
        "default_thresholds": dict.fromkeys(labels, LOW),
        "card": {},
        "shape": layout.shape,
        "point_names": layout.point_names,
        "mirrored": True,
    }
    return ImageDetector(**{**settings, **changes})  # type: ignore[arg-type]


def a_picture(width_px: int = 120, height_px: int = 80, seed: int = 1) -> Picture:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 255, (height_px, width_px, 3), dtype=np.uint8)
    return Picture(pixels, width_px, height_px)


def in_mirror(picture: Picture) -> Picture:
    return replace(picture, pixels=np.ascontiguousarray(picture.pixels[:, ::-1]))


Row = tuple[str, list[str], list[float]]


def rows(found: Detections, from_mirror: bool = False) -> list[Row]:
    """Of each box its label, the names of its points, and all its numbers; of a picture's mirror
    image as they lie in the picture."""

    def back(x: float) -> float:
        return found.width_px - x if from_mirror else x

    swapped = dict(zip(EYES, (*EYES[1::-1], EYES[2]), strict=True)) if from_mirror else {}
    told = []
    for box in found.boxes:
        sides = sorted((back(box.x_min_px), back(box.x_max_px)))
        corners = sorted((back(x), y) for x, y in box.turned_px)
        points = sorted((swapped.get(p.name, p.name), back(p.x_px), p.y_px) for p in box.points)
        places = [*corners, *((x, y) for _, x, y in points)]
        numbers = [box.score, *sides, box.y_min_px, box.y_max_px, *(n for at in places for n in at)]
        told.append((box.label, [name for name, _, _ in points], numbers))
    return told


def assert_same(one: list[Row], two: list[Row]) -> None:
    assert [row[:2] for row in one] == [row[:2] for row in two]
    for (_, _, numbers), (_, _, others) in zip(one, two, strict=True):
        assert numbers == pytest.approx(others, abs=1e-2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("several", [{}, TWO, {**TWO, "fused": True}])
@given(seed=SEEDS)
@settings(deadline=None, max_examples=2)
def test_a_mirrored_picture_has_mirrored_boxes(
    layout: Layout, several: dict[str, object], seed: int
) -> None:
    """Corners and key points too: what is left of a face stays its left."""
    detector, picture = detector_of(layout, **several), a_picture(seed=seed)

    straight, mirrored = detector.detect(picture), detector.detect(in_mirror(picture))

    assert straight.scores == pytest.approx(mirrored.scores, abs=1e-5)
    assert bool(straight.boxes) == (layout.shape != PRESENCE)
    assert_same(rows(mirrored, from_mirror=True), rows(straight))


def test_a_detector_without_a_mirror_has_not() -> None:
    """Or the law above would hold of anything."""
    detector, picture = detector_of(PLAIN, mirrored=False), a_picture()

    straight, mirrored = detector.detect(picture), detector.detect(in_mirror(picture))

    assert straight.scores != pytest.approx(mirrored.scores, abs=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS[:4])
def test_the_map_and_what_explains_it_are_mirrored_too(layout: Layout) -> None:
    detector = detector_of(layout)
    options = DetectOptions(score_map=True, explanations=True)
    picture = a_picture(64, 64)

    straight, mirrored = (detector.detect(p, options) for p in (picture, in_mirror(picture)))

    assert straight.score_map is not None
    assert mirrored.score_map is not None
    np.testing.assert_allclose(
        straight.score_map.scores, mirrored.score_map.scores[:, ::-1], atol=1e-5
    )
    for one, two in zip(straight.explanations, mirrored.explanations, strict=True):
        np.testing.assert_allclose(one.relevance, two.relevance[:, ::-1], atol=1e-3)
        left, top, right, bottom = two.field_px
        assert one.field_px == pytest.approx((64 - right, top, 64 - left, bottom))


def test_tiles_are_the_whole_in_a_mirror_too(monkeypatch: pytest.MonkeyPatch) -> None:
    detector, picture = detector_of(Layout(2, TURNED), size_px=320), a_picture(320, 90)
    whole = detector.sweep(picture)
    monkeypatch.setattr(sweeping, "TILE_PX", 96)

    tiled = detector.sweep(picture)

    at = sweeping._on_picture(whole.letterbox)
    np.testing.assert_allclose(tiled.scores[at], whole.scores[at], atol=1e-6)
    np.testing.assert_allclose(tiled.input_points[at], whole.input_points[at], rtol=1e-3, atol=1e-2)


@given(SEEDS)
def test_the_mean_with_its_own_mirror_image_changes_nothing(seed: int) -> None:
    """Of each layout: twice mirrored is as it was."""
    rng = np.random.default_rng(seed)
    for layout in LAYOUTS:
        answers = rng.normal(0, 1, (3, 4, layout.channels))
        mirror = Mirror(layout, (1, 0, 2) if layout.shape == POINTS else ())
        reflected = mirror.mean(np.zeros_like(answers), answers) * 2

        again = mirror.mean(np.zeros_like(answers), reflected) * 2

        if layout.shape != TURNED:  # the order of corners against zeros is any
            np.testing.assert_allclose(again, answers)
        np.testing.assert_allclose(again[..., : layout.labels], answers[..., : layout.labels])


@given(SEEDS, st.integers(0, 3), st.sampled_from([1, -1]))
def test_corners_are_counted_from_the_nearest(seed: int, start: int, way: int) -> None:
    corners = np.random.default_rng(seed).normal(0, 1, (2, 5, 4, 2))
    other = corners[..., (start + way * np.arange(4)) % 4, :]

    np.testing.assert_array_equal(nearest_order(other, corners, way), corners)


def a_look(*rows: tuple[float, list[float]], label: int = 0) -> Found:
    scores = np.array([score for score, _ in rows])
    boxes = np.array([box for _, box in rows], float).reshape(-1, 4)
    none = np.zeros((len(rows), 2), int)
    return Found(none, scores, boxes, none[:, 0] + label, np.zeros((len(rows), 0, 2)))


PLACE = Letterbox.of(100, 100, 100)
ALL = np.array([0.0, 0.0])


def test_what_both_looks_tell_is_their_mean_weighted_by_score() -> None:
    looks = [a_look((0.9, [10, 10, 30, 30])), a_look((0.3, [14, 10, 34, 30]))]

    found = fused(looks, ALL, DetectOptions(), PLACE)

    assert found.scores.tolist() == pytest.approx([0.6])
    assert found.boxes.tolist() == [pytest.approx([11, 10, 31, 30])]


def test_what_one_look_alone_tells_counts_half() -> None:
    looks = [a_look((0.8, [10, 10, 30, 30])), a_look((0.7, [60, 60, 90, 90]))]

    found = fused(looks, ALL, DetectOptions(), PLACE)

    assert found.scores.tolist() == pytest.approx([0.4, 0.35])


def test_objects_of_other_labels_are_others() -> None:
    box = [10.0, 10.0, 30.0, 30.0]
    looks = [a_look((0.8, box)), a_look((0.7, box), label=1)]

    assert fused(looks, ALL, DetectOptions(), PLACE).labels.tolist() == [0, 1]


@given(SEEDS, st.floats(0.02, 0.9))
@settings(deadline=None, max_examples=10)
def test_a_threshold_only_leaves_out_what_scores_less(seed: int, threshold: float) -> None:
    """A box has the same score and place at every threshold."""
    detector = detector_of(Layout(2), more_sizes_px=(32,), fused=True, mirrored=False)
    picture = a_picture(90, 70, seed)

    none, least = {"x": 0.0, "y": 0.0}, {"x": threshold, "y": 0.2}
    every = detector.detect(picture, DetectOptions(none, max_boxes=1000)).boxes
    some = detector.detect(picture, DetectOptions(least, max_boxes=1000)).boxes

    assert some == tuple(box for box in every if box.score >= least[box.label])
    assert detector.detect(picture, DetectOptions(none, max_boxes=3)).boxes == every[:3]


def test_of_one_look_the_mean_is_the_box() -> None:
    once = detector_of(Layout(2, TURNED), mirrored=False)

    found = replace(once, fused=True).detect(a_picture())

    assert_same(rows(found), rows(once.detect(a_picture())))


@pytest.mark.parametrize("changes", [{}, {"mirrored": True}, {"fused": True, "flips": (1, 0, 2)}])
def test_the_file_keeps_how_a_detector_looks(changes: dict[str, object], tmp_path: Path) -> None:
    path, layout = tmp_path / "looks.safetensors", Layout(1, POINTS, EYES)
    made = detector_of(layout, **{"mirrored": False, **changes})
    made.save(path)

    again = ImageDetector.load(path)

    assert (again.mirrored, again.fused, again.flips) == (made.mirrored, made.fused, made.flips)
    assert {*changes} == {*modelfile.load(path).description} & {"mirrored", "fused", "flips"}
    assert again.detect(a_picture()).boxes == made.detect(a_picture()).boxes


@pytest.mark.parametrize("flips", [(0, 1), (0, 0, 1), (1, 2, 3)])
def test_flips_that_are_none_are_refused(flips: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    detector_of(Layout(1, POINTS, EYES), flips=flips).save(path)

    with pytest.raises(ModelUnreadable, match="expected each of its 3 points once"):
        ImageDetector.load(path)


def test_points_that_the_data_exchanges_are_exchanged() -> None:
    """Whatever they are called."""
    detector = detector_of(Layout(1, POINTS, ("a", "b", "c")), flips=(2, 1, 0))
    picture = a_picture(64, 64)

    straight, mirrored = (detector.detect(p).boxes[0] for p in (picture, in_mirror(picture)))

    places = {p.name: (64 - p.x_px, p.y_px) for p in mirrored.points}
    for point in straight.points:
        other = {"a": "c", "b": "b", "c": "a"}[point.name]
        assert places[other] == pytest.approx((point.x_px, point.y_px), abs=1e-2)
