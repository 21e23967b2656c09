"""Average precision as COCO counts it (Lin et al. 2014): the mean over IoU 0.5 to 0.95.

Equal to `pycocotools` for one label, all areas, at most 100 boxes a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnn_core.arrays import Array, Flags

from ..figures import Outcome, matches

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MOST_BOXES = 100


def coco_average_precision(outcomes: Sequence[Outcome]) -> float:
    """The mean of the average precisions at ten overlaps, 0 without true boxes."""
    return float(np.mean([average_precision_at(outcomes, iou) for iou in IOUS.tolist()]))


def average_precision_at(outcomes: Sequence[Outcome], iou: float) -> float:
    """The mean precision at 101 recalls, made to fall, at one overlap."""
    count = sum(len(each.true) for each in outcomes)
    kept = [slice(0, MOST_BOXES)] * len(outcomes)
    scores = [each.scores[part] for each, part in zip(outcomes, kept, strict=True)]
    right = [matches(each.boxes[:MOST_BOXES], each.true, iou) >= 0 for each in outcomes]
    if count == 0:
        return 0.0
    return _interpolated(np.concatenate(scores), np.concatenate(right), count)


def _interpolated(scores: Array, right: Flags, count: int) -> float:
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / count, RECALLS, side="left")
    reached = places < len(falling)
    return float(np.where(reached, np.append(falling, 0.0)[places], 0.0).mean())
