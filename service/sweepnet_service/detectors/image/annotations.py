"""What is known of each object besides its box: its name, its corners, its key points."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnn_core.arrays import Array

SIDES = ("left", "right")


def _nothing() -> Array:
    return np.zeros((0, 0, 2))


@dataclass(frozen=True, eq=False)
class Marks:
    """Of n objects: names, corners (n, 4, 2) clockwise, key points (n, P, 2) with their names.

    What is not known is NaN; where no object has any the arrays are empty. `flips` says where each
    key point stands in a mirror, where the data says so.
    """

    names: tuple[str, ...] = ()
    corners: Array = field(default_factory=_nothing)
    points: Array = field(default_factory=_nothing)
    point_names: tuple[str, ...] = ()
    flips: tuple[int, ...] = ()

    def taken(self, which: Sequence[int]) -> Marks:
        """Those of some of the objects."""
        return Marks(
            tuple(self.names[at] for at in which),
            self.corners[list(which)] if len(self.corners) else self.corners,
            self.points[list(which)] if len(self.points) else self.points,
            self.point_names,
            self.flips,
        )

    @property
    def mirrored(self) -> tuple[int, ...]:
        """Where each key point stands in a mirror: left ones become right ones, by their names
        unless the data says it."""
        return self.flips or in_mirror(self.point_names)


def in_mirror(names: Sequence[str]) -> tuple[int, ...]:
    """Where each of these key points stands once left and right are exchanged, by their names."""
    swapped = [_swapped(name) for name in names]
    return tuple(names.index(name) if name in names else at for at, name in enumerate(swapped))


def _swapped(name: str) -> str:
    """left_eye -> right_eye."""
    left, right = SIDES
    if left in name:
        return name.replace(left, right)
    return name.replace(right, left)


def marks_of(rows: Collection[Mapping[str, Any]], kinds: Mapping[Any, Mapping[str, Any]]) -> Marks:
    """Of COCO's annotations of one picture, with its categories by their number.

    Corners are eight numbers x, y, ... in `corners`, or the one polygon of four in `segmentation`;
    key points are COCO's own, x, y and whether they are known. Raises TypeError or ValueError.
    """
    named = [kinds.get(row.get("category_id"), {}) for row in rows]
    point_names = next((_names(kind) for kind in kinds.values() if kind.get("keypoints")), ())
    corners = [_corners(row) for row in rows]
    points = [_points(row, len(point_names)) for row in rows]
    return Marks(
        tuple(str(kind.get("name", "")) for kind in named),
        clockwise(np.array(corners)) if np.isfinite(corners).any() else _nothing(),
        np.array(points, np.float64).reshape(len(rows), len(point_names), 2),
        point_names,
    )


def _names(kind: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, kind["keypoints"]))


def _corners(row: Mapping[str, Any]) -> Array:
    given = row.get("corners")
    if given is None:
        outlines = row.get("segmentation")
        four = isinstance(outlines, list) and len(outlines) == 1 and len(outlines[0]) == 8
        given = outlines[0] if four and outlines else [np.nan] * 8
    return np.array(given, np.float64).reshape(4, 2)


def _points(row: Mapping[str, Any], count: int) -> Array:
    """Those of another category, which are others, are not known."""
    given = row.get("keypoints") or []
    every = given if len(given) == 3 * count else [0] * (3 * count)
    points = np.array(every, np.float64).reshape(count, 3)
    return np.where(points[:, 2:] > 0, points[:, :2], np.nan)


def clockwise(corners: Array) -> Array:
    """Corners (n, 4, 2) of convex shapes, clockwise from the one nearest to the top left."""
    middle = corners.mean(axis=1, keepdims=True)
    away = corners - middle
    order = np.argsort(np.arctan2(away[..., 1], away[..., 0]), axis=1)
    turned = np.take_along_axis(corners, order[..., None], axis=1)
    first = turned.sum(axis=-1).argmin(axis=1)
    places = (np.arange(4)[None] + first[:, None]) % 4
    return np.take_along_axis(turned, places[..., None], axis=1)
