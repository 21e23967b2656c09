"""Turned boxes, key points, several labels, presence alone: targets, losses, views, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnn_core import modelfile
from sweepnet_service.detectors.image import DetectOptions, ImageDetector
from sweepnet_service.detectors.image.annotations import Marks, clockwise, marks_of
from sweepnet_service.detectors.image.augment import Augmentation, Sample, View, see
from sweepnet_service.detectors.image.boxes import points_in, within_boxes
from sweepnet_service.detectors.image.dataset import Entry, Photo, labelled, names_of
from sweepnet_service.detectors.image.evaluate.outcomes import outcomes
from sweepnet_service.detectors.image.layout import (
    BOX,
    PLAIN,
    POINTS,
    PRESENCE,
    SHAPES,
    TURNED,
    Layout,
)  # fmt: skip
from sweepnet_service.detectors.image.losses import LossWeights, detection_loss, points_loss
from sweepnet_service.detectors.image.network import flower_net, without_species
from sweepnet_service.detectors.image.objects import Objects
from sweepnet_service.detectors.image.pixels import Picture
from sweepnet_service.detectors.image.presence import Present, gathered, presence_loss, present_of
from sweepnet_service.detectors.image.targets import targets_of
from sweepnet_service.errors import ModelUnreadable

SEEDS = st.integers(0, 2**31)
LAYOUTS = (
    PLAIN,
    Layout(3),
    Layout(2, TURNED),
    Layout(1, POINTS, ("left_eye", "right_eye", "nose")),
    Layout(2, PRESENCE),
)


def detector_of(layout: Layout, seed: int = 0) -> ImageDetector:
    """A small random one whose scores lie around a half."""
    rng = np.random.default_rng(seed)
    net = without_species(flower_net(rng, (4,) * 5, 4, 2, layout), layout)
    last = net.layers[-1]
    weight = rng.normal(0, 1, last.weight.shape).astype(np.float32)  # type: ignore[attr-defined]
    spread = replace(last, weight=weight, bias=np.zeros(layout.channels, np.float32))  # type: ignore[call-arg]
    labels = tuple("xyz"[: layout.labels])
    return ImageDetector(
        net=replace(net, layers=(*net.layers[:-1], spread)),
        labels=labels,
        size_px=64,
        operating_points=dict.fromkeys(labels, ()),
        default_thresholds=dict.fromkeys(labels, 0.3),
        card={},
        shape=layout.shape,
        point_names=layout.point_names,
    )


def a_picture() -> Picture:
    pixels = np.random.default_rng(1).integers(0, 255, (80, 120, 3), dtype=np.uint8)
    return Picture(pixels, 120, 80)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_detector_of_any_layout_answers_and_comes_back_from_its_file(
    layout: Layout, tmp_path: Path
) -> None:
    detector, path = detector_of(layout), tmp_path / "any.safetensors"
    options = DetectOptions(score_map=True, explanations=True)
    detector.save(path)

    found = detector.detect(a_picture(), options)
    again = ImageDetector.load(path).detect(a_picture(), options)

    assert found.boxes == again.boxes
    assert found.scores == again.scores
    assert tuple(found.scores) == detector.labels
    assert found.score_map is not None
    assert found.score_map.scores.shape[2] == layout.labels
    assert bool(found.boxes) == (layout.shape != PRESENCE)
    for box in found.boxes:
        assert tuple(point.name for point in box.points) == layout.point_names
        xs, ys = zip(*box.corners_px, strict=True)
        assert 0 <= box.x_min_px < box.x_max_px <= 120
        assert max(0, min(xs)) == pytest.approx(box.x_min_px, abs=1e-3)
        assert min(80, max(ys)) == pytest.approx(box.y_max_px, abs=1e-3)


def test_each_label_has_its_own_threshold() -> None:
    detector = detector_of(Layout(3))

    found = detector.detect(a_picture(), DetectOptions({"x": 1.0, "y": 0.4, "z": 0.5}))

    assert {box.label for box in found.boxes} <= {"y", "z"}
    assert all(box.score >= {"y": 0.4, "z": 0.5}[box.label] for box in found.boxes)
    assert [box.score for box in found.boxes] == sorted(b.score for b in found.boxes)[::-1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": "round"}, "got shape 'round'"),
        ({"shape": POINTS}, "expected one of"),
        ({"point_names": ["a"]}, "names of at most"),
        ({"labels": ["x", "x"]}, "expected different ones"),
        ({"shape": TURNED}, "answers with 5 channels; expected 13 for 1 labels"),
    ],
)
def test_files_that_contradict_themselves_are_refused(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    path = tmp_path / "odd.safetensors"
    detector_of(PLAIN).save(path)
    model = modelfile.load(path)
    modelfile.save(path, model.net, {**model.description, **change})

    with pytest.raises(ModelUnreadable, match=told):
        ImageDetector.load(path)


@given(SEEDS)
@settings(deadline=None, max_examples=30)
def test_points_come_back_from_the_units_of_their_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 50, (4, 2))
    boxes = np.concatenate((low, low + rng.uniform(1, 60, (4, 2))), axis=1)
    points = rng.uniform(-50, 150, (4, 3, 2))

    np.testing.assert_allclose(points_in(within_boxes(points, boxes), boxes), points, atol=1e-9)
    upright = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    np.testing.assert_allclose(within_boxes(upright, boxes), np.tile(corners, (4, 1, 1)))


@given(SEEDS, st.integers(0, 3), st.booleans())
@settings(deadline=None, max_examples=30)
def test_corners_in_any_order_become_clockwise_from_the_top_left(
    seed: int, first: int, backwards: bool
) -> None:
    rng = np.random.default_rng(seed)
    turn, halves = rng.uniform(-0.7, 0.7), rng.uniform(1, 9, 2)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * halves) @ matrix.T + 20
    mixed = np.roll(corners[::-1] if backwards else corners, first, axis=0)

    found = clockwise(mixed[None])[0]

    at = int(np.abs(corners - found[0]).sum(axis=1).argmin())
    np.testing.assert_allclose(found, np.roll(corners, -at, axis=0))
    assert found[0].sum() == corners.sum(axis=1).min()


def slope(function: object, at: np.ndarray, step: float = 1e-6) -> np.ndarray:
    found = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        move = np.zeros_like(at)
        move[index] = step
        found[index] = (function(at + move) - function(at - move)) / (2 * step)  # type: ignore[operator]
    return found


@pytest.mark.parametrize("turned", [False, True])
def test_the_gradient_of_points_is_what_differences_measure(turned: bool) -> None:
    rng = np.random.default_rng(3)
    predicted, true = rng.normal(0, 0.7, (6, 4, 2)), rng.normal(0, 0.7, (6, 4, 2))
    true[1, 2] = np.nan
    share = rng.uniform(0, 1, 6)

    loss, gradient = points_loss(predicted, true, share, turned)

    assert loss > 0
    measured = slope(lambda x: points_loss(x, true, share, turned)[0], predicted)
    np.testing.assert_allclose(gradient, measured, atol=1e-7)
    assert turned or not gradient[1, 2].any()


def test_a_turned_box_may_begin_with_any_corner() -> None:
    rng = np.random.default_rng(4)
    true, share = rng.normal(0, 0.7, (5, 4, 2)), np.ones(5)
    near = true + rng.normal(0, 0.01, true.shape)

    same = points_loss(near, true, share, turned=True)[0]

    for first in range(4):
        rolled = np.roll(true, first, axis=1)
        assert points_loss(near, rolled, share, turned=True)[0] == pytest.approx(same)
        assert first == 0 or points_loss(near, rolled, share)[0] > same


@pytest.mark.parametrize("layout", LAYOUTS[:4])
def test_the_gradient_of_the_whole_loss_is_what_differences_measure(layout: Layout) -> None:
    rng = np.random.default_rng(5)
    objects = Objects.of(
        np.array([[2.0, 3, 20, 25], [14, 10, 31, 30]]),
        np.array([1, 0]),
        np.array([0, layout.labels - 1]),
        rng.uniform(2, 30, (2, layout.points, 2)),
    )
    sample = Sample(np.zeros((32, 32, 3), np.uint8), objects, np.zeros((0, 4)))
    targets, weights = targets_of([sample], layout), LossWeights()
    outputs = rng.normal(0, 0.5, (1, 4, 4, layout.channels + 2))

    def places(x: np.ndarray) -> float:
        parts = detection_loss(x, targets, weights, layout)[2]
        placed = 2 * parts.box + 2 * parts.points + parts.turned
        return placed + 0.2 * parts.species

    _, gradient, _ = detection_loss(outputs, targets, weights, layout)
    behind = slice(layout.labels, None)
    measured = slope(places, outputs)[..., behind]
    np.testing.assert_allclose(gradient[..., behind], measured, atol=1e-6)


def test_a_box_of_one_label_is_background_for_the_others() -> None:
    objects = Objects.of(np.array([[8.0, 8, 40, 40]]), labels=np.array([1]))
    ignored = np.array([[64.0, 0, 96, 96]])
    sample = Sample(np.zeros((96, 96, 3), np.uint8), objects, ignored)

    found = targets_of([sample], Layout(2))

    assert found.background[0, 2, 2].tolist() == [1, 0]
    assert found.labels[0, 2, 2] == 1
    assert not found.background[0, :, 8:].any()
    assert found.background[0, 8, 2].tolist() == [1, 1]


def test_presence_is_learnt_from_the_whole_map() -> None:
    rng = np.random.default_rng(6)
    outputs = rng.normal(0, 1, (3, 2, 3, 4))
    present = Present(
        np.array([[1, 0], [0, 1], [0, 0]], float), np.array([[1, 1], [0, 1], [1, 1]], float)
    )

    _, gradient = presence_loss(outputs, present)

    measured = slope(lambda x: presence_loss(x, present)[0], outputs)
    np.testing.assert_allclose(gradient, measured, atol=1e-8)
    assert not gradient[..., 2:].any()
    assert not gradient[1, ..., 0].any()


@given(SEEDS)
@settings(deadline=None, max_examples=30)
def test_the_gathered_answer_lies_between_mean_and_maximum(seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, (12, 2))

    found = gathered(logits)

    assert (found <= logits.max(axis=0) + 1e-9).all()
    assert (found >= logits.mean(axis=0) - 1e-9).all()


def test_what_was_nearly_cut_off_is_neither_there_nor_absent() -> None:
    objects = Objects.of(np.array([[0.0, 0, 32, 32]]), labels=np.array([1]))
    pixels = np.zeros((32, 32, 3), np.uint8)
    samples = [Sample(pixels, objects, np.zeros((0, 4))), Sample(pixels, objects, np.ones((1, 4)))]

    found = present_of(samples, 2)

    assert found.there.tolist() == [[0, 1], [0, 1]]
    assert found.known.tolist() == [[1, 1], [0, 1]]


@given(SEEDS)
@settings(deadline=None, max_examples=30)
def test_corners_and_points_go_where_the_view_takes_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-3, 3)
    matrix = ((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))
    view = View(200, 200, matrix, (100.0, 100.0))
    points = rng.uniform(-40, 40, (1, 4, 2))
    corners = clockwise(np.array([[[-20.0, -10], [20, -10], [20, 10], [-20, 10]]]))
    pixels, box = np.zeros((4, 4, 3), np.uint8), np.array([[-20.0, -10, 20, 10]])
    photo = Photo("any", pixels, Objects.of(box, points=corners), True)

    turned = see(photo, view, Augmentation(), TURNED).objects
    posed = see(
        replace(photo, objects=Objects.of(box, points=points)), view, Augmentation(), POINTS
    )

    np.testing.assert_allclose(turned.points, clockwise(view.points(corners)))
    np.testing.assert_allclose(turned.boxes[0, :2], turned.points[0].min(axis=0))
    np.testing.assert_allclose(turned.boxes[0, 2:], turned.points[0].max(axis=0))
    np.testing.assert_allclose(posed.objects.points, view.points(points))


def test_in_a_mirror_left_is_right() -> None:
    marks = Marks(("x",), point_names=("nose", "left_eye", "right_eye"))
    points = np.array([[[5.0, 5], [3, 3], [7, 3]]])
    photo = Photo(
        "face",
        np.zeros((10, 10, 3), np.uint8),
        Objects.of(np.array([[0.0, 0, 10, 10]]), points=points),
        complete=True,
        mirrored=marks.mirrored,
    )
    view = View.upright(10, 10, (1.0, 1.0), (0.0, 0.0)).mirrored()

    found = see(photo, view, Augmentation(), POINTS).objects.points[0]

    assert found.tolist() == [[5, 5], [3, 3], [7, 3]]


def test_annotations_tell_names_corners_and_points() -> None:
    kinds = {1: {"name": "cat", "keypoints": ["nose", "tail"]}, 2: {"name": "dog"}}
    rows = [
        {"category_id": 1, "keypoints": [1, 2, 2, 0, 0, 0]},
        {"category_id": 2, "segmentation": [[4, 0, 4, 3, 0, 3, 0, 0]], "keypoints": [1, 1, 2]},
        {"category_id": 3, "segmentation": [[0, 0, 1, 1, 2, 0]]},
    ]

    found = marks_of(rows, kinds)

    assert found.names == ("cat", "dog", "")
    assert found.point_names == ("nose", "tail")
    assert found.points[0, 0].tolist() == [1, 2]
    assert np.isnan(found.points[0, 1]).all()
    assert np.isnan(found.points[1:]).all()
    assert found.corners[1].tolist() == [[0, 0], [4, 0], [4, 3], [0, 3]]
    assert np.isnan(found.corners[[0, 2]]).all()


def test_labels_pick_their_objects_and_an_unknown_one_none_of_several(
    tmp_path: Path,
) -> None:
    boxes = np.array([[0, 0, 5, 5], [5, 5, 9, 9], [1, 1, 3, 3]], np.float32)
    entry = Entry(tmp_path / "a.png", boxes, ("", "", ""), True, "", Marks(("b", "a", "b")))

    both = labelled([entry], ("a", "b"))[0]
    alone = labelled([entry], ("b",))[0]

    assert names_of([entry]) == ("a", "b")
    assert both.labels == (1, 0, 1)
    assert alone.boxes.tolist() == boxes[[0, 2]].tolist()
    assert alone.labels == (0, 0)
    assert labelled([entry], ("thing",))[0].labels == ()
    assert not len(labelled([entry], ("thing",))[0].boxes)
    named = replace(entry, marks=Marks(("b", "b", "b")))
    assert labelled([named], ("thing",))[0] is named


def test_channels_are_told_apart() -> None:
    found = {
        shape: Layout(2, shape, ("a",) if shape == POINTS else ()).channels for shape in SHAPES
    }

    assert found == {BOX: 6, TURNED: 14, POINTS: 8, PRESENCE: 2}


@pytest.mark.parametrize("shape", [BOX, TURNED])
def test_objects_outside_of_the_picture_are_not_missed(tmp_path: Path, shape: str) -> None:
    """They are not learnt either; of turned boxes they lowered the recall."""
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64)).save(path)
    boxes = np.array([[8.0, 8, 40, 40], [70, 70, 90, 90], [9, 9, 9, 9]], np.float32)
    entry = Entry(path, boxes, ("", "", ""), True, "", Marks(("", "", "")))
    (judged,) = outcomes(detector_of(Layout(1, shape)), [entry])["x"]
    assert judged.true_count == 1
