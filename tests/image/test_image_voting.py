"""Neighbouring places that vote on an object: laws of the mean of those that agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core import modelfile
from cnn_core.decide import box_iou
from cnn_core.fold import fold
from sweepnet_service.detectors.image import DetectOptions, ImageDetector
from sweepnet_service.detectors.image import voting as votes
from sweepnet_service.detectors.image.boxes import Letterbox
from sweepnet_service.detectors.image.found import FAINT, Found, together
from sweepnet_service.detectors.image.layout import PLAIN, POINTS, PRESENCE, TURNED, Layout
from sweepnet_service.detectors.image.network import flower_net, without_species
from sweepnet_service.detectors.image.sweep import Sweep
from sweepnet_service.detectors.image.voting import MOST_VOTERS, best_mean, voted
from sweepnet_service.errors import ModelUnreadable

SEEDS = st.integers(0, 2**31)
LAYOUTS = (PLAIN, Layout(3), Layout(2, TURNED), Layout(1, POINTS, ("a", "b")))
EVERY = DetectOptions(max_boxes=10_000)
PLACE = Letterbox.of(100, 100, 128)


def a_look(seed: int, layout: Layout = PLAIN, voters: int = 3) -> Sweep:
    """What random answers of 8 x 8 places come to; their boxes overlap."""
    rng = np.random.default_rng(seed)
    answers = rng.normal(0, 1, (8, 8, layout.channels)).astype(np.float32)
    sides = layout.sides.stop - layout.sides.start
    answers[..., layout.sides] = rng.normal(0.3, 0.1, (8, 8, sides))
    answers[..., layout.places] = np.tile([-1, -1, 1, -1, 1, 1, -1, 1][: 2 * layout.points], 1)
    return Sweep.of(answers, Letterbox.of(64, 48, 64), layout, voters)


def told(*rows: tuple[float, list[float]], label: int = 0) -> Found:
    """Upright boxes with their scores, best first."""
    count = len(rows)
    return Found(
        cells=np.arange(2 * count).reshape(count, 2),
        scores=np.array([score for score, _ in rows]),
        boxes=np.array([box for _, box in rows], np.float64).reshape(count, 4),
        labels=np.full(count, label),
        points=np.zeros((count, 0, 2)),
    )


def vote(every: Found, voters: int = 3, iou: float = 0.5) -> Found:
    return voted(every[:1], every, voters, iou, PLACE, turned=False)


def test_a_box_is_the_mean_of_those_that_agree_and_its_score_that_of_the_best() -> None:
    every = told(
        (0.8, [10, 10, 60, 60]),
        (0.6, [12, 10, 60, 62]),
        (0.4, [10, 12, 62, 60]),
        (0.2, [14, 10, 60, 60]),
        (0.7, [40, 40, 90, 90]),
    )

    found = vote(every)

    share = np.array([0.8, 0.6, 0.4, 0.2]) / 2
    assert found.scores.tolist() == pytest.approx([0.6])
    assert found.boxes[0] == pytest.approx(share @ every.boxes[:4])


@pytest.mark.parametrize(("side_px", "voters"), [(14, 1), (18, 2), (25, 3), (60, 3)])
def test_a_small_object_has_few_voters(side_px: float, voters: int) -> None:
    """One for each 16 x 16 px of the input, in which these sides are 1.28 times as long."""
    box = [10.0, 10.0, 10.0 + side_px, 10.0 + side_px]
    scores = [0.9, 0.6, 0.3, 0.1]

    found = vote(told(*((score, box) for score in scores)))

    assert found.scores.tolist() == pytest.approx([np.mean(scores[:voters])])


def test_other_labels_have_no_vote() -> None:
    box = [10.0, 10.0, 60.0, 60.0]
    every = together([told((0.8, box)), told((0.7, [11, 10, 60, 60]), label=1)])

    found = vote(every)

    assert found.scores.tolist() == [0.8]
    assert found.boxes.tolist() == [box]


def test_who_overlaps_less_than_suppresses_has_no_vote() -> None:
    """Where boxes may overlap by 0.9, neighbours that overlap by 0.8 are other objects."""
    every = told((0.8, [10, 10, 60, 60]), (0.7, [15, 10, 65, 60]))

    assert vote(every, iou=0.9).scores.tolist() == [0.8]
    assert vote(every, iou=0.5).scores.tolist() == pytest.approx([0.75])
    assert vote(every, iou=1.0).boxes.tolist() == every.boxes[:1].tolist()


@given(SEEDS, st.sampled_from(LAYOUTS), st.floats(0.02, 0.9), st.floats(0.1, 1))
@settings(deadline=None, max_examples=40)
def test_a_threshold_only_leaves_out_what_scores_less(
    seed: int, layout: Layout, threshold: float, iou: float
) -> None:
    look, options = a_look(seed, layout), replace(EVERY, overlap_iou=iou)

    every, some = look.found(FAINT, options), look.found(threshold, options)

    enough = every[every.scores >= threshold]
    for one, two in zip(vars(enough).values(), vars(some).values(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-9)
    assert (np.diff(every.scores) <= 0).all()
    best = look.found(threshold, replace(options, max_boxes=2)).scores
    np.testing.assert_allclose(best, some.scores[:2], rtol=1e-6)


@given(SEEDS, st.sampled_from(LAYOUTS), st.integers(2, 9))
@settings(deadline=None, max_examples=40)
def test_no_mean_lies_beyond_what_it_is_of(seed: int, layout: Layout, voters: int) -> None:
    alone, several = a_look(seed, layout, 1), a_look(seed, layout, voters)

    one, mean = alone.found(FAINT, EVERY), several.found(FAINT, EVERY)

    assert mean.scores.max() <= one.scores.max()
    assert (several.presence <= alone.presence).all()
    assert (mean.boxes >= 0).all()
    assert (mean.boxes <= [64, 48, 64, 48]).all()
    if layout.shape != TURNED:
        overlaps = box_iou(mean.boxes, mean.boxes) * (mean.labels[:, None] == mean.labels)
        assert (overlaps - np.eye(len(overlaps)) <= EVERY.overlap_iou + 1e-9).all()


def test_corners_without_an_area_have_their_own_vote() -> None:
    corners = np.array([[[10.0, 10.0], [20.0, 20.0], [30.0, 30.0], [40.0, 40.0]]])
    line = replace(told((0.8, [10, 10, 40, 40])), points=corners)

    found = voted(line, line, 3, 0.5, PLACE, turned=True)

    assert found.scores.tolist() == [0.8]


def test_many_boxes_are_compared_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    look = a_look(3, Layout(2, TURNED))
    whole = look.found(FAINT, EVERY)

    monkeypatch.setattr(votes, "MOST_PAIRS", 1)

    np.testing.assert_array_equal(look.found(FAINT, EVERY).points, whole.points)


def test_nothing_found_is_nothing() -> None:
    assert len(a_look(1).found(1.0, EVERY).scores) == 0
    assert len(a_look(1, Layout(2, PRESENCE)).found(0.0, EVERY).scores) == 0


def test_presence_is_the_mean_of_the_best_places() -> None:
    scores = np.array([[0.1, 0.9], [0.7, 0.2], [0.4, 0.3]])

    assert best_mean(scores, 1).tolist() == [0.7, 0.9]
    assert best_mean(scores, 2) == pytest.approx([0.55, 0.6])
    assert best_mean(scores, 9) == pytest.approx([0.4, 1.4 / 3])


def a_detector(voters: int) -> ImageDetector:
    net = without_species(flower_net(np.random.default_rng(7), (4,) * 5, 4, 2, PLAIN), PLAIN)
    return ImageDetector(
        net=fold(net), labels=("x",), size_px=64, operating_points={"x": ()},
        default_thresholds={"x": 0.1}, card={}, voters=voters,
    )  # fmt: skip


@pytest.mark.parametrize("voters", [1, 3])
def test_the_file_keeps_how_many_vote(voters: int, tmp_path: Path) -> None:
    path = tmp_path / "votes.safetensors"
    a_detector(voters).save(path)

    assert ImageDetector.load(path).voters == voters
    assert ("voters" in modelfile.load(path).description) == (voters > 1)


@pytest.mark.parametrize("voters", [-1, MOST_VOTERS + 1])
def test_voters_that_cannot_be_are_refused(voters: int, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    a_detector(3).save(path)
    made = modelfile.load(path)
    modelfile.save(path, made.net, {**made.description, "voters": voters})

    with pytest.raises(ModelUnreadable, match=f"got {voters} voters; expected 1 to {MOST_VOTERS}"):
        ImageDetector.load(path)
