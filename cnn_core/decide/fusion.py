"""Boxes that several looks at one thing tell of it: which of them belong together."""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import CoreError, ShapeError


def agreeing(overlaps: Array, scores: Array, looks: Integers, iou: float = 0.5) -> list[Integers]:
    """Overlaps (n, n), scores (n,), looks (n,) -> for each object the indices of its boxes, the
    best one first; objects best first.

    The best box that is left takes from each other look the box that overlaps it most, by more
    than `iou`; what else overlaps it so much is a double and belongs to no object. So weighted
    boxes fusion (Solovyev, Wang, Gabruseva 2021) groups boxes; it compares them with the mean of
    those before, and takes doubles in.
    """
    _check(overlaps, scores, looks, iou)
    left, groups = np.ones(len(scores), bool), []
    for best in np.argsort(-scores, kind="stable"):
        if not left[best]:
            continue
        left[best] = False
        near = np.flatnonzero(left & (overlaps[best] > iou))
        left[near] = False
        others = near[looks[near] != looks[best]]
        others = others[np.argsort(-overlaps[best, others], kind="stable")]
        _, first = np.unique(looks[others], return_index=True)
        groups.append(np.concatenate(([best], others[np.sort(first)])))
    return groups


def _check(overlaps: Array, scores: Array, looks: Integers, iou: float) -> None:
    count = len(scores)
    if overlaps.shape != (count, count) or scores.shape != looks.shape or scores.ndim != 1:
        raise ShapeError(
            f"agreeing: got shapes {overlaps.shape}, {scores.shape} and {looks.shape}; expected "
            "(n, n), (n,) and (n,)"
        )
    if not 0 <= iou <= 1 or not (np.isfinite(scores).all() and np.isfinite(overlaps).all()):
        raise CoreError(
            f"agreeing: got iou {iou}; expected an overlap from 0 to 1, and scores and overlaps "
            "that are finite numbers"
        )
