"""From boxes found and boxes that are true to figures: AP50, recall, precision, presence AUC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from cnn_core.arrays import Array, Integers
from cnn_core.decide import box_iou
from cnn_core.decide.polygons import areas, polygon_iou

from .boxes import area

RIGHT_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Outcome:
    """One picture: scores (n,) of the boxes found, best first, whether each is right (n,), how
    many true boxes there are, and the presence score; the boxes found (n, 4) and true (m, 4), or of
    turned ones the corners (n, 4, 2), and the picture's longer side; how far key points lie from
    the true ones (k,), in longer sides of the true boxes, of the boxes found at the threshold."""

    scores: Array
    right: NDArray[np.bool_]
    true_count: int
    presence: float
    boxes: Array = field(default_factory=lambda: np.zeros((0, 4)))
    true: Array = field(default_factory=lambda: np.zeros((0, 4)))
    longest_px: int = 0
    point_errors: Array = field(default_factory=lambda: np.zeros(0))


def judge(
    scores: Array, boxes: Array, true: Array, presence: float, longest_px: int = 0
) -> Outcome:
    """Boxes (n, 4), best first, against true ones (m, 4), or corners, at IoU 0.5."""
    right = matches(boxes, true, RIGHT_IOU) >= 0
    return Outcome(scores, right, len(true), presence, boxes, true, longest_px)


def matches(boxes: Array, true: Array, iou: float) -> Integers:
    """For each box (n, 4), best first, the true one (m, 4) that it finds, -1 for none: one that
    it overlaps by `iou` and no better box has found; of several the one that overlaps most."""
    found: Integers = np.full(len(boxes), -1)
    overlaps = polygon_iou(boxes, true) if boxes.ndim == 3 else box_iou(boxes, true)
    for index, row in enumerate(overlaps if len(true) else ()):
        best = int(row.argmax())
        if row[best] >= iou:
            found[index] = best
            overlaps[:, best] = -1
    return found


def sizes(boxes: Array) -> Array:
    """Areas (n,) of boxes (n, 4), or of turned ones by their corners (n, 4, 2)."""
    return areas(boxes) if boxes.ndim == 3 else area(boxes)


def joined_boxes(outcomes: Sequence[Outcome]) -> tuple[Array, NDArray[np.bool_], int]:
    """Scores from high to low, right or wrong, number of true boxes, over all pictures."""
    scores = np.concatenate([np.zeros(0), *(o.scores for o in outcomes)])
    right = np.concatenate([np.zeros(0, bool), *(o.right for o in outcomes)])
    order = np.argsort(-scores, kind="stable")
    return scores[order], right[order].astype(bool), sum(o.true_count for o in outcomes)


def average_precision(outcomes: Sequence[Outcome]) -> float:
    """Area under precision over recall at IoU 0.5, made to fall (as VOC 2010)."""
    _, right, count = joined_boxes(outcomes)
    if count == 0 or len(right) == 0:
        return 0.0
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(falling[right]) / count)


def recall(outcomes: Sequence[Outcome], threshold: float) -> float:
    """Share of the true boxes found at a threshold."""
    scores, right, count = joined_boxes(outcomes)
    return float(right[scores >= threshold].sum() / max(count, 1))


def precision(outcomes: Sequence[Outcome], threshold: float) -> float:
    """Share of the boxes found at a threshold that are right; 1 where none is found."""
    scores, right, _ = joined_boxes(outcomes)
    found = right[scores >= threshold]
    return float(found.mean()) if len(found) else 1.0


def boxes_per_picture(outcomes: Sequence[Outcome], threshold: float) -> float:
    """How many boxes a picture gets at a threshold, on average."""
    return sum(int((o.scores >= threshold).sum()) for o in outcomes) / max(len(outcomes), 1)


def share_with_boxes(outcomes: Sequence[Outcome], threshold: float) -> float:
    """Share of the pictures that get any box at a threshold."""
    return sum(bool((o.scores >= threshold).any()) for o in outcomes) / max(len(outcomes), 1)


def presence_auc(positive: Sequence[Outcome], negative: Sequence[Outcome]) -> float:
    """Chance that a picture with objects scores above one without (ties count half)."""
    if not positive or not negative:
        return float("nan")
    ranks = rankdata([o.presence for o in (*positive, *negative)])
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def best_threshold(outcomes: Sequence[Outcome], slack: float = 0.01) -> float:
    """A threshold of best F1: the middle of those whose F1 is within `slack` of the best,
    because the single best one of a small set is chance."""
    scores, right, count = joined_boxes(outcomes)
    if not right.any():
        return 0.5
    hits = np.cumsum(right)
    f1 = 2 * hits / (np.arange(1, len(right) + 1) + count)
    good = scores[f1 >= f1.max() - slack]
    return float((good.max() + good.min()) / 2)


def threshold_for(outcomes: Sequence[Outcome], false_boxes_per_picture: float) -> float:
    """The lowest threshold at which pictures without objects get at most so many boxes each."""
    scores = np.concatenate([np.zeros(0), *(o.scores for o in outcomes)])
    allowed = int(np.floor(false_boxes_per_picture * len(outcomes) + 1e-9))
    ranked = np.sort(scores)[::-1]
    return float(np.nextafter(ranked[allowed], 1.0)) if allowed < len(ranked) else 0.0
