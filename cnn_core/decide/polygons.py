"""Turned boxes without doubles: overlap of convex quadrangles, and its removal.

Rows are four corners (x, y), clockwise or against.
"""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array, Flags, Integers
from cnn_core.decide.boxes import box_iou
from cnn_core.errors import ShapeError

NEAR = 1e-9
"""What counts as nothing, for shapes of about 1."""


def polygon_iou(polygons: Array, others: Array) -> Array:
    """Intersection over union of every pair: (n, 4, 2) x (m, 4, 2) -> (n, m)."""
    for each in (polygons, others):
        if each.shape[1:] != (4, 2):
            raise ShapeError(f"polygons: got shape {each.shape}; expected (n, 4, 2)")
    found = np.zeros((len(polygons), len(others)))
    first, second = np.nonzero(box_iou(hulls(polygons), hulls(others)) > 0)
    if len(first):
        found[first, second] = paired_iou(polygons[first], others[second])
    return found


def paired_iou(polygons: Array, others: Array) -> Array:
    """Intersection over union of each with its own: (n, 4, 2), (n, 4, 2) -> (n,).

    Where a pair lies and how large it is do not matter: it is put round 0 and made about 1 large.
    """
    pairs = np.concatenate((polygons, others), axis=1).astype(np.float64)
    pairs -= pairs.mean(axis=1, keepdims=True)
    pairs /= np.maximum(np.abs(pairs).max(axis=(1, 2), keepdims=True), np.finfo(np.float64).tiny)
    one, two = pairs[:, :4], pairs[:, 4:]
    shared = _shared_area(one, two)
    union = areas(one) + areas(two) - shared
    return np.asarray(np.clip(shared / np.maximum(union, NEAR), 0, 1))


def polygon_suppression(
    polygons: Array, scores: Array, iou: float = 0.5, limit: int | None = None
) -> Integers:
    """Indices of the quadrangles (n, 4, 2) that stay, best first: none overlaps a better one by
    more than `iou`."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and (limit is None or len(kept) < limit):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[polygon_iou(polygons[best : best + 1], polygons[rest])[0] <= iou]
    return np.asarray(kept, np.intp)


def hulls(polygons: Array) -> Array:
    """The upright boxes (n, 4) that just hold them."""
    return np.concatenate((polygons.min(axis=1), polygons.max(axis=1)), axis=1)


def areas(polygons: Array) -> Array:
    """(n, P, 2) -> (n,), by the shoelace formula."""
    after = np.roll(polygons, -1, axis=1)
    crossed = polygons[..., 0] * after[..., 1] - polygons[..., 1] * after[..., 0]
    return np.asarray(np.abs(crossed.sum(axis=1)) / 2)


def _shared_area(one: Array, two: Array) -> Array:
    """Of pairs (n, 4, 2): their common corners are corners of one within the other, and crossings
    of edges; put in order round their middle they bound the intersection."""
    crossings, cross = _crossings(one, two)
    corners = np.concatenate((one, two, crossings), axis=1)
    count = _within(one, two), _within(two, one), cross
    common = np.concatenate(count, axis=1)
    number = np.maximum(common.sum(axis=1), 1)[:, None]
    middle = (corners * common[..., None]).sum(axis=1) / number
    away = np.where(common[..., None], corners - middle[:, None], 0)
    # What is no common corner is put onto the first that is: it then bounds no area.
    first = np.take_along_axis(away, common.argmax(axis=1)[:, None, None], axis=1)
    away = np.where(common[..., None], away, first)
    order = np.argsort(np.arctan2(away[..., 1], away[..., 0]), axis=1)
    return areas(np.take_along_axis(away, order[..., None], axis=1))


def _within(points: Array, polygons: Array) -> Flags:
    """(n, P, 2) in (n, 4, 2) -> (n, P): on the same side of every edge."""
    edges = np.roll(polygons, -1, axis=1) - polygons
    away = points[:, :, None] - polygons[:, None]
    side = edges[:, None, :, 0] * away[..., 1] - edges[:, None, :, 1] * away[..., 0]
    return np.asarray((side >= -NEAR).all(axis=2) | (side <= NEAR).all(axis=2))


def _crossings(one: Array, two: Array) -> tuple[Array, Flags]:
    """Where the edges meet: (n, 16, 2), and whether they do (n, 16)."""
    along, across = np.roll(one, -1, axis=1) - one, np.roll(two, -1, axis=1) - two
    a, b = along[:, :, None], across[:, None, :]
    apart = two[:, None, :] - one[:, :, None]
    turn = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    level = np.abs(turn) <= NEAR
    turn = np.where(level, 1, turn)
    t = (apart[..., 0] * b[..., 1] - apart[..., 1] * b[..., 0]) / turn
    u = (apart[..., 0] * a[..., 1] - apart[..., 1] * a[..., 0]) / turn
    meet = ~level & (t >= 0) & (t <= 1) & (u >= 0) & (u <= 1)
    places = one[:, :, None] + t[..., None] * a
    return places.reshape(len(one), -1, 2), meet.reshape(len(one), -1)
