"""Average precision beside pycocotools': equal on boxes drawn by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sweepnet_service.detectors.image.evaluate.coco import (
    average_precision_at,
    coco_average_precision,
)
from sweepnet_service.detectors.image.figures import Outcome, judge


def outcomes(seed: int) -> list[Outcome]:
    """Photos with up to 8 objects, some found nearly, some not, and boxes of nothing."""
    rng = np.random.default_rng(seed)
    return [photo(rng, int(rng.integers(0, 9)), int(rng.integers(0, 130))) for _ in range(20)]


def photo(rng: np.random.Generator, true: int, found: int) -> Outcome:
    low = rng.uniform(0, 200, (true + found, 2))
    boxes = np.concatenate((low, low + rng.uniform(5, 120, low.shape)), axis=1)
    near = boxes[rng.integers(0, len(boxes), found)] if len(boxes) else boxes
    near = near + rng.normal(0, 1, near.shape)
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
    scores = np.sort(rng.random(len(near)))[::-1]
    return judge(scores, near, boxes[:true], 0.0)


def by_pycocotools(each: Sequence[Outcome]) -> tuple[float, float]:
    """AP and AP50, all areas, at most 100 boxes a picture."""
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i, "width": 400, "height": 400} for i in range(len(each))],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {"image_id": i, "category_id": 1, "iscrowd": 0, "area": b[2] * b[3], "bbox": b}
            for i, outcome in enumerate(each)
            for b in corners_to_sides(outcome.true)
        ],
    }
    for number, annotation in enumerate(truth.dataset["annotations"], 1):
        annotation["id"] = number
    truth.createIndex()
    found = [
        {"image_id": i, "category_id": 1, "bbox": b, "score": score}
        for i, outcome in enumerate(each)
        for b, score in zip(corners_to_sides(outcome.boxes), outcome.scores.tolist(), strict=True)
    ]
    run = COCOeval(truth, truth.loadRes(found), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    return float(run.stats[0]), float(run.stats[1])


def corners_to_sides(boxes: np.ndarray) -> list[list[float]]:
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1).tolist()


@pytest.mark.parametrize("seed", range(6))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    each = outcomes(seed)

    whole, half = by_pycocotools(each)

    assert coco_average_precision(each) == pytest.approx(whole, abs=1e-9)
    assert average_precision_at(each, 0.5) == pytest.approx(half, abs=1e-9)
