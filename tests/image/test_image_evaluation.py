"""Evaluation: COCO's precision, recall by size, intervals over photos, cuts, and the page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepnet_service.commands.evaluate import image as evaluate_image
from sweepnet_service.detectors.image.dataset import Entry, Photo, cut_to, read_listing
from sweepnet_service.detectors.image.evaluate import Measured, measure, report_on
from sweepnet_service.detectors.image.evaluate.coco import (
    average_precision_at,
    coco_average_precision,
)
from sweepnet_service.detectors.image.evaluate.cuts import cut, cuts_of
from sweepnet_service.detectors.image.evaluate.intervals import intervals
from sweepnet_service.detectors.image.evaluate.page import whole_page
from sweepnet_service.detectors.image.evaluate.page.sheets import missed, worst
from sweepnet_service.detectors.image.evaluate.sizes import recall_by_size
from sweepnet_service.detectors.image.figures import Outcome, average_precision, judge
from sweepnet_service.detectors.image.objects import Objects
from sweepnet_service.detectors.image.pixels import Picture
from sweepnet_service.detectors.image.results import Detections
from sweepnet_service.errors import InvalidInput


def _outcome(rng: np.random.Generator, true: int, extra: int) -> Outcome:
    """True boxes, each found with some error, and false boxes; some are lost."""
    low = rng.uniform(0, 80, (true + extra, 2))
    boxes = np.concatenate((low, low + rng.uniform(5, 40, low.shape)), axis=1)
    found = boxes + rng.normal(0, 2, boxes.shape)
    scores = np.sort(rng.random(len(boxes)))[::-1]
    kept = rng.random(len(boxes)) < 0.8
    order = rng.permutation(len(boxes))[kept]
    return judge(scores[: len(order)], found[order], boxes[:true], float(rng.random()), 120)


def _outcomes(seed: int, photos: int = 12) -> list[Outcome]:
    rng = np.random.default_rng(seed)
    return [_outcome(rng, int(rng.integers(0, 5)), int(rng.integers(0, 3))) for _ in range(photos)]


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_precision_falls_as_more_overlap_is_asked(seed: int) -> None:
    outcomes = _outcomes(seed)

    at = [average_precision_at(outcomes, iou) for iou in (0.5, 0.75, 0.95)]

    assert at == sorted(at, reverse=True)
    assert at[2] <= coco_average_precision(outcomes) <= at[0]


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_101_recalls_stand_for_the_area_under_the_curve(seed: int) -> None:
    outcomes = _outcomes(seed)

    assert average_precision_at(outcomes, 0.5) == pytest.approx(
        average_precision(outcomes), abs=0.02
    )


def test_perfect_boxes_have_a_precision_of_one() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [20, 20, 50, 60]])

    assert coco_average_precision([judge(np.array([0.9, 0.8]), boxes, boxes, 0.9)]) == 1
    assert coco_average_precision([judge(np.zeros(0), boxes[:0], boxes, 0.9)]) == 0
    assert coco_average_precision([]) == 0


def test_recall_by_size_counts_each_object_once() -> None:
    true = np.array([[0.0, 0, 9, 9], [20, 20, 50, 50], [0, 0, 100, 100]])
    outcome = judge(np.array([0.9, 0.4]), true[[1, 0]], true, 0.9, longest_px=100)

    sizes = recall_by_size([outcome], threshold=0.5)

    assert [(s.low, s.boxes, s.recall) for s in sizes] == [(0, 1, 0), (0.2, 1, 1), (0.7, 1, 0)]


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=10)
def test_intervals_hold_the_figure_and_narrow_with_more_photos(seed: int) -> None:
    few = _outcomes(seed, 20)
    false = [replace(o, true_count=0, true=o.true[:0], right=o.right & False) for o in few]

    once = intervals(few, few, false, 0.5)
    often = intervals(few * 16, few * 16, false * 16, 0.5)

    assert once["ap50"][0] <= average_precision(few) <= once["ap50"][1]
    for name, (low, high) in once.items():
        assert often[name][1] - often[name][0] <= (high - low) / 2 + 1e-9


def test_a_photo_drawn_twice_counts_as_two_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = _outcomes(3, 4)
    monkeypatch.setattr(
        "sweepnet_service.detectors.image.evaluate.intervals._draws",
        lambda _, count: np.array([[2.0, 0, 1, 1]])[:, :count],
    )

    low, high = intervals(outcomes, outcomes, [], 0.5)["ap50"]

    drawn = [outcomes[0], outcomes[0], outcomes[2], outcomes[3]]
    assert low == high == pytest.approx(average_precision(drawn), abs=0.02)


@given(st.integers(0, 2**31))
def test_cuts_are_of_one_size_one_with_the_object_one_without(seed: int) -> None:
    pixels = np.zeros((100, 140, 3), np.uint8)
    pixels[30:60, 40:80] = 255
    box = np.array([[40, 30, 80, 60]], np.float32)
    photo = Photo("white", pixels, Objects.of(box), complete=True)

    for there, without in cut(np.random.default_rng(seed), photo):
        assert there.shape == without.shape
        assert there.max() == 255
        assert without.max() == 0


class _Bright:
    """A detector for which presence is the brightest pixel."""

    labels = ("square",)

    def detect(self, picture: Picture) -> Detections:
        brightest = float(picture.pixels.max()) / 255
        return Detections(picture.width_px, picture.height_px, {"square": brightest}, ())


def test_cuts_measure_presence_beside_the_objects(squares: Path) -> None:
    found = cuts_of(_Bright(), read_listing(squares, "flowers", "val"))  # type: ignore[arg-type]

    assert found is None or found.auc == 1


def test_missed_boxes_are_those_that_no_told_box_finds() -> None:
    true = np.array([[0.0, 0, 10, 10], [20, 20, 50, 60]])
    outcome = judge(np.array([0.9, 0.2]), true, true, 0.9)

    assert missed(outcome, outcome.scores >= 0.5).tolist() == [False, True]


def test_the_page_shows_what_there_is_and_nothing_from_elsewhere(squares: Path) -> None:
    entries = read_listing(squares, "flowers", "val")
    true = [entry.boxes.astype(float) for entry in entries]
    outcomes = [judge(np.array([0.9]), true[0], true[0], 0.9, 96)] + [
        judge(np.array([0.8]), each + 40, each, 0.8, 96) for each in true[1:]
    ]
    measured = Measured(tuple(zip(entries, outcomes, strict=True)), ())
    detector = _detector()
    report = replace(report_on(detector, {"square": measured}, "val"), label="<square>")

    page = whole_page(report, {"<square>": measured}, {"model": "a & b"})

    assert "&lt;square&gt;" in page
    assert "a &amp; b" in page
    assert page.count("data:image/jpeg") == 3 + 3 + 1
    assert "<script" not in page
    assert "http" not in page
    assert [len(each) for each in worst(measured.labelled, 0.5, 2).values()] == [2, 2, 1]
    assert json.loads(json.dumps(report.to_dict()))["coco_ap"] > 0


def test_labelled_pictures_without_objects_are_negatives(squares: Path) -> None:
    """Data sets of other programs keep them among the others: they counted as pictures with."""
    with_one, other, *_ = read_listing(squares, "flowers", "val")
    empty = replace(other, boxes=other.boxes[:0], species=())
    true = with_one.boxes.astype(float)
    found = judge(np.array([0.9]), true, true, 0.9, 96)
    told = judge(np.array([0.6]), true, true[:0], 0.2, 96)

    report = report_on(
        _detector(),
        {"square": Measured(((with_one, found), (empty, told)), ())},
        "val",
    )

    assert (report.negatives, report.false_boxes_per_negative) == (1, 1.0)
    assert report.parts[0].presence_auc == 1
    assert report.intervals["presence_auc"] == (1, 1)
    assert report.parts[0].precision == 0.5


def test_boxes_are_judged_as_far_as_the_picture_reaches() -> None:
    boxes = np.array([[-20.0, 5, 10, 30], [200, 200, 250, 250], [5, 5, 9, 9]], np.float32)

    cut = cut_to(Entry(Path("a"), boxes, ("a", "b", "c"), True, ""), 100, 20)
    np.testing.assert_array_equal(cut.boxes, [[0, 5, 10, 20], [5, 5, 9, 9]])
    assert cut.species == ("a", "c")


def _detector() -> Any:
    """As much of a detector as a report asks of it."""

    class Told(_Bright):
        size_px = 96
        shape = "box"
        default_thresholds: ClassVar = {"square": 0.5}

    return Told()


def test_a_split_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    (tmp_path / "flowers" / "val.json").write_text('{"images": []}')

    with pytest.raises(InvalidInput, match=r"flowers/val\.json: lists no picture"):
        measure(_detector(), tmp_path)


def test_the_command_writes_the_page(
    squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "new" / "report.html"

    evaluate_image("flower", squares, "val", page, None, as_json=True, named_model=None)

    told = json.loads(capsys.readouterr().out)
    assert told["report"] == str(page)
    assert told["parts"][0]["pictures"] == 4
    assert page.read_text().startswith("<!doctype html>")
