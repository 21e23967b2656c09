"""Objects of one look as rows, best first, and what can be made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from cnn_core.arrays import Array, Flags, Integers
from cnn_core.decide import box_iou, non_maximum_suppression
from cnn_core.decide.polygons import hulls, polygon_iou, polygon_suppression

from .annotations import clockwise
from .boxes import Letterbox
from .layout import POINTS, TURNED, Layout
from .mirror import nearest_order
from .results import Box, DetectOptions, KeyPoint

FAINT = 0.02
"""What scores lower counts as 0 in a mean, and is not told, whatever the threshold is: so a box has
the same score at each."""


@dataclass(frozen=True, eq=False)
class Found:
    """n objects, best first: cells (n, 2) of the map, scores (n,), boxes (n, 4) and points
    (n, P, 2) in the picture, labels (n,)."""

    cells: Integers
    scores: Array
    boxes: Array
    labels: Integers
    points: Array

    @classmethod
    def nothing(cls) -> Found:
        """No object."""
        none = np.zeros(0, np.intp)
        return cls(none.reshape(0, 2), np.zeros(0), np.zeros((0, 4)), none, np.zeros((0, 0, 2)))

    def __getitem__(self, which: Integers | Flags | slice) -> Found:
        return Found(
            self.cells[which],
            self.scores[which],
            self.boxes[which],
            self.labels[which],
            self.points[which],
        )

    def named(self, labels: Sequence[str], layout: Layout) -> tuple[Box, ...]:
        """The objects as they are told."""
        rows = zip(
            self.labels.tolist(),
            self.scores.tolist(),
            self.boxes.tolist(),
            self.points.tolist(),
            strict=True,
        )
        return tuple(
            Box(
                labels[label],
                score,
                x0,
                y0,
                x1,
                y1,
                turned_px=tuple(map(tuple, points)) if layout.shape == TURNED else (),
                points=tuple(map(KeyPoint, layout.point_names, *zip(*points, strict=True)))
                if layout.shape == POINTS
                else (),
            )
            for label, score, (x0, y0, x1, y1), points in rows
        )


def apart(found: Found, options: DetectOptions, turned: bool) -> Found:
    """The best of those of one label that overlap, and of all at most so many as are asked for."""
    kept = [
        own[_suppressed(found[own], options, turned)]
        for own in (np.flatnonzero(found.labels == label) for label in np.unique(found.labels))
    ]
    left = np.concatenate(kept) if kept else np.zeros(0, np.intp)
    order = np.argsort(-found.scores[left], kind="stable")
    return found[left[order][: options.max_boxes]]


def _suppressed(found: Found, options: DetectOptions, turned: bool) -> Integers:
    limits = options.overlap_iou, options.max_boxes
    if turned:
        return polygon_suppression(found.points, found.scores, *limits)
    return non_maximum_suppression(found.boxes, found.scores, *limits)


def overlaps(ones: Found, others: Found, turned: bool) -> Array:
    """IoU of turned boxes or of upright ones: n and m objects -> (n, m)."""
    if turned:
        return polygon_iou(ones.points, others.points)
    return box_iou(ones.boxes, others.boxes)


def together(found: Sequence[Found]) -> Found:
    """One list after the other; cells are those of each look."""
    return Found(
        *(np.concatenate([getattr(each, part.name) for each in found]) for part in fields(Found))
    )


def mean_of(found: Found, letterbox: Letterbox, turned: bool) -> Found:
    """One object, the first of those that tell it, with the mean of their boxes and points,
    weighted by score."""
    share = found.scores / found.scores.sum()
    points = nearest_order(found.points, found.points[:1]) if turned else found.points
    points = np.tensordot(share, points, 1)[None]
    boxes = hulls(points) if turned else (share @ found.boxes)[None]
    return replace(
        found[:1],
        boxes=letterbox.clipped(boxes),
        points=clockwise(points) if turned else points,
    )
