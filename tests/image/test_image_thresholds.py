"""The threshold that a training chooses, and what it states of others."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sweepnet_service.detectors.image import ImageDetector
from sweepnet_service.detectors.image.batches import material
from sweepnet_service.detectors.image.config import TrainConfig
from sweepnet_service.detectors.image.dataset import read_listing
from sweepnet_service.detectors.image.evaluate import choose_thresholds
from sweepnet_service.detectors.image.evaluate.measure import MOST_FALSE
from sweepnet_service.detectors.image.evaluate.outcomes import PARTS, between, outcomes
from sweepnet_service.detectors.image.figures import best_threshold, threshold_for
from sweepnet_service.progress import Progress


def test_the_threshold_is_one_of_the_operating_points(
    trained: tuple[Path, list[Progress]], squares: Path
) -> None:
    aside = [e for g in ("flowers", "negatives") for e in read_listing(squares, g, "val")]

    threshold, points = choose_thresholds(ImageDetector.load(trained[0]), aside)["square"]

    at = [point for point in points if point.threshold == threshold]
    assert len(at) == 1
    assert at[0].miss_rate <= 0.25
    assert [p.threshold for p in points] == sorted(p.threshold for p in points)


def test_at_the_threshold_parts_without_objects_get_few_boxes(
    trained: tuple[Path, list[Progress]], squares: Path
) -> None:
    """However easy the pictures without objects are."""
    detector = ImageDetector.load(trained[0])
    aside = [e for g in ("flowers", "negatives") for e in read_listing(squares, g, "val")]
    unlabelled = [replace(aside[0], boxes=aside[0].boxes[:0], species=())]

    threshold, points = choose_thresholds(detector, [*aside, *unlabelled], True)["square"]

    parts = between(detector, unlabelled)["square"]
    assert 0 < len(parts) <= PARTS
    assert all(part.true_count == 0 for part in parts)
    assert threshold_for(parts, 0.0) > 0.3  # one of them shows the square
    rates = {p.threshold: p.false_boxes_per_picture for p in points}
    assert rates[threshold] <= MOST_FALSE
    assert threshold > choose_thresholds(detector, aside, True)["square"][0]


def test_among_the_labelled_pictures_those_of_nothing_come_as_often_as_they_come(
    trained: tuple[Path, list[Progress]], squares: Path
) -> None:
    """Then F1 counts what is told in them: bricks among discs and lines, a quarter of the pictures
    without any, lost two thirds of themselves to the rule for a folder of other pictures."""
    detector = ImageDetector.load(trained[0])
    aside = [e for g in ("flowers", "negatives") for e in read_listing(squares, g, "val")]
    unlabelled = replace(aside[0], boxes=aside[0].boxes[:0], species=())

    threshold, points = choose_thresholds(detector, [*aside, unlabelled])["square"]

    found = outcomes(detector, [*aside, unlabelled])["square"]
    assert threshold == pytest.approx(best_threshold(found), abs=1e-3)
    assert threshold in [point.threshold for point in points]
    assert threshold < choose_thresholds(detector, [*aside, unlabelled], True)["square"][0]


def test_a_folder_of_pictures_without_objects_asks_for_few_false_boxes(
    config: TrainConfig, squares: Path, tmp_path: Path
) -> None:
    assert material(config).few_false
    shutil.copytree(squares / "flowers", tmp_path / "own" / "flowers")

    assert not material(replace(config, data=tmp_path / "own")).few_false


def test_without_pictures_of_nothing_no_rate_of_false_boxes_is_stated(
    trained: tuple[Path, list[Progress]], squares: Path
) -> None:
    detector = ImageDetector.load(trained[0])

    assert choose_thresholds(detector, read_listing(squares, "flowers", "val"))["square"][1] == ()
