"""Boxes without doubles: overlap, and its removal, hard and soft. Boxes are rows x, y, x, y."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import CoreError, ShapeError


def box_iou(boxes: Array, others: Array) -> Array:
    """Intersection over union of every pair: (n, 4) x (m, 4) -> (n, m); boxes as x, y, x, y."""
    return _iou(_numbers(boxes, "corners", (4,)), _numbers(others, "corners", (4,)))


def _iou(boxes: Array, others: Array) -> Array:
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Array = np.clip(high - low, 0, None).prod(axis=-1)
    union = _areas(boxes)[:, None] + _areas(others)[None, :] - shared
    return shared / np.where(union > 0, union, 1)


def non_maximum_suppression(
    boxes: Array, scores: Array, iou: float = 0.5, limit: int | None = None
) -> Integers:
    """Indices of the boxes that stay, best first: none overlaps a better one by more than `iou`."""
    boxes, scores = _checked(boxes, scores, iou, limit)
    order = np.argsort(-scores, kind="stable")
    # What is left, best first, as columns: a few operations on rows for each box that stays.
    left = np.concatenate((boxes[order], _areas(boxes[order])[:, None]), axis=1).T
    kept: list[int] = []
    while len(order) and (limit is None or len(kept) < limit):
        kept.append(int(order[0]))
        apart = _overlaps(left[:, :1], left[:, 1:]) <= iou
        order, left = order[1:][apart], left[:, 1:][:, apart]
    return np.asarray(kept, np.intp)


def _areas(boxes: Array) -> Array:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1))


def _overlaps(box: Array, others: Array) -> Array:
    """As `_iou`, of one column x, y, x, y, area with others: (5, 1) x (5, n) -> (n,)."""
    low, high = np.maximum(box[:2], others[:2]), np.minimum(box[2:4], others[2:4])
    wide, tall = np.maximum(high - low, 0)
    shared = wide * tall
    union = box[4] + others[4] - shared
    return np.asarray(shared / np.where(union > 0, union, 1))


def soft_suppression(
    boxes: Array,
    scores: Array,
    iou: float = 0.5,
    *,
    decay: Literal["linear", "gaussian"] = "gaussian",
    sigma: float = 0.5,
    lowest: float = 0.001,
    limit: int | None = None,
) -> tuple[Integers, Array]:
    """Indices of the boxes that stay, best first, and their lowered scores (Bodla et al. 2017).

    A box loses score by its overlap o with each better one, in place of all of it: by
    exp(-o^2 / sigma), or, linear, by 1 - o where o > `iou`. Below `lowest` it goes. So two flowers
    that touch both stay.
    """
    boxes, scores = _checked(boxes, scores, iou, limit)
    if decay not in ("linear", "gaussian") or not (0 < sigma < np.inf and np.isfinite(lowest)):
        raise CoreError(
            f"soft_suppression: got decay {decay!r}, sigma {sigma}, lowest {lowest}; expected "
            '"linear" or "gaussian", sigma > 0 and a finite score'
        )
    left, remaining = np.flatnonzero(scores >= lowest), np.array(scores, np.float64)
    kept: list[int] = []
    while len(left) and (limit is None or len(kept) < limit):
        best = int(left[np.argmax(remaining[left])])
        kept.append(best)
        left = left[left != best]
        overlap = _iou(boxes[best : best + 1], boxes[left])[0]
        if decay == "gaussian":
            remaining[left] *= np.exp(-(overlap**2) / sigma)
        else:
            remaining[left] *= np.where(overlap > iou, 1 - overlap, 1)
        left = left[remaining[left] >= lowest]
    return np.asarray(kept, np.intp), remaining[kept].astype(scores.dtype)


def _checked(boxes: Array, scores: Array, iou: float, limit: int | None) -> tuple[Array, Array]:
    """Boxes and scores as floating-point numbers; raises for what cannot be decided."""
    if boxes.shape != (len(scores), 4) or scores.ndim != 1:
        raise ShapeError(
            f"boxes: got shapes {boxes.shape} and {scores.shape}; expected (n, 4) and (n,)"
        )
    if not 0 <= iou <= 1 or (limit is not None and limit < 0):
        raise CoreError(
            f"boxes: got iou {iou} and limit {limit}; expected an overlap from 0 to 1, and a "
            "number of boxes or None"
        )
    return _numbers(boxes, "corners", (4,)), _numbers(scores, "score", ())


def _numbers(values: Array, name: str, inner: tuple[int, ...]) -> Array:
    """As floating-point numbers: differences of unsigned ones would wrap round."""
    if values.shape[1:] != inner:
        raise ShapeError(f"boxes: got shape {values.shape}; expected {('n', *inner)}")
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        at = wrong[0][0]
        raise CoreError(
            f"boxes: got the {name} {values[at].tolist()} of box {at}; expected finite numbers"
        )
    return values if values.dtype.kind == "f" else values.astype(np.float64)
