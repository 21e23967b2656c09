"""Random views of pictures: turned, shifted, rescaled, mirrored, sheared, stretched, as one map.

A map is a 2 x 3 matrix that takes a place (x, y) of the picture, in pixels from its upper left
corner, to its place in the view. All six kinds of change are one map, so a picture is resampled
once, and boxes and corners follow by the same matrix.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import GeometryError, ShapeError


@dataclass(frozen=True)
class Augmentation:
    """How far views may differ; each kind is drawn on its own, and nothing by default.

    Angles and shifts are uniform between minus and plus their limit, ratios log-uniform between
    1 / limit and limit, as in Dieleman et al.'s plankton networks (2015).
    """

    turn_deg: float = 0.0
    shift_px: float = 0.0
    rescale: float = 1.0
    shear_deg: float = 0.0
    stretch: float = 1.0
    flip_share: float = 0.0
    """How often the view is mirrored left to right."""

    def __post_init__(self) -> None:
        limits = min(self.turn_deg, self.shift_px, self.shear_deg) >= 0 and self.shear_deg < 90
        ratios = min(self.rescale, self.stretch) >= 1
        finite = bool(np.isfinite(astuple(self)).all())
        if not (finite and limits and ratios and 0 <= self.flip_share <= 1):
            raise GeometryError(
                f"got {self}; expected finite angles and shifts >= 0 (shear_deg below 90), "
                "ratios >= 1 and a flip_share from 0 to 1"
            )

    def __call__(self, pictures: Array, rng: np.random.Generator) -> Array:
        """A random view of each of the pictures (N, H, W, C), as `batches.Arrays` asks for it."""
        height_px, width_px = pictures.shape[1:3]
        return warp(pictures, self.draw(rng, len(pictures), height_px, width_px))

    def draw(self, rng: np.random.Generator, count: int, height_px: int, width_px: int) -> Array:
        """`count` random maps (count, 2, 3) about the middle of a picture of this size.

        A seed draws the same turns whether or not pictures are also sheared, and so on: runs
        that differ in one kind can be compared.
        """
        ways = rng.uniform(-1.0, 1.0, (6, count))
        mirrored = rng.random(count) < self.flip_share
        ratio, stretch = self.rescale ** ways[0], self.stretch ** ways[1]
        angle, shear = np.deg2rad(self.turn_deg * ways[2]), np.deg2rad(self.shear_deg * ways[3])
        size = _matrix(ratio * stretch * np.where(mirrored, -1, 1), 0, 0, ratio / stretch)
        turn = _matrix(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))
        return _about(
            turn @ _matrix(1, np.tan(shear), 0, 1) @ size,
            np.array([width_px, height_px]) / 2,
            self.shift_px * ways[4:].T,
        )


LECTURES = Augmentation(
    turn_deg=180.0, shift_px=10.0, rescale=1.6, shear_deg=20.0, stretch=1.3, flip_share=0.5
)
"""The lectures' ranges, which are those of the plankton networks (pictures of about 95 pixels)."""


def _matrix(a: Array | int, b: Array | int, c: Array | int, d: Array | int) -> Array:
    """Matrices [[a, b], [c, d]] (N, 2, 2) from their entries."""
    entries = np.broadcast_arrays(a, b, c, d)
    return np.stack(entries, axis=-1).reshape(-1, 2, 2).astype(np.float64)


def _about(linear: Array, centre: Array, shift: Array) -> Array:
    """Maps about `centre`: x -> linear (x - centre) + centre + shift."""
    return np.concatenate((linear, (centre + shift - linear @ centre)[..., None]), axis=2)


def move(points: Array, maps: Array) -> Array:
    """Points (N, P, 2) of each picture, (x, y) in pixels -> where its view shows them."""
    moved: Array = points @ maps[:, :, :2].swapaxes(1, 2) + maps[:, None, :, 2]
    return moved


def move_boxes(boxes: Array, maps: Array) -> Array:
    """Boxes (N, P, 4) x_min, y_min, x_max, y_max -> the boxes around their moved corners.

    Exact where sides stay upright; around a turned corner some background joins the box.
    """
    corners = boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]].reshape(len(boxes), -1, 2)
    moved = move(corners, maps).reshape(*boxes.shape[:2], 4, 2)
    return np.concatenate((moved.min(axis=2), moved.max(axis=2)), axis=-1)


def warp(pictures: Array, maps: Array, fill: float = 0.0) -> Array:
    """Pictures (N, H, W, C) seen through their maps (N, 2, 3): same shape, same type.

    Bilinear between pixel centres; `fill` beyond the picture's border. Whole numbers are rounded.
    """
    _check(pictures, maps)
    count, height, width, channels = pictures.shape
    x, y = _sources(maps, height, width)
    # Differences of unsigned numbers would wrap round.
    blended = np.result_type(pictures.dtype, np.float32)
    # One pixel of fill before and two after: every place reads four pixels, wherever it lies.
    padded = np.full((count, height + 3, width + 3, channels), fill, blended)
    padded[:, 1 : 1 + height, 1 : 1 + width] = pictures
    column, row = np.floor(x), np.floor(y)
    line = np.arange(count)[:, None] * (height + 3) + row.astype(np.intp) + 1
    first = line * (width + 3) + column.astype(np.intp) + 1
    pixels = padded.reshape(-1, channels)
    right, down = (x - column)[..., None], (y - row)[..., None]
    upper = _between(pixels, first, right)
    upper += (_between(pixels, first + (width + 3), right) - upper) * down
    return _as_type(upper.reshape(pictures.shape), pictures.dtype)


def _check(pictures: Array, maps: Array) -> None:
    if pictures.ndim != 4 or maps.shape != (len(pictures), 2, 3):
        raise ShapeError(
            f"warp: got pictures of shape {pictures.shape} and maps of shape {maps.shape}; "
            "expected (N, H, W, C) and (N, 2, 3), one map for each picture"
        )
    for number, ((a, b, _), (c, d, _)) in enumerate(maps):
        if not np.isfinite(maps[number]).all() or a * d == b * c:
            raise GeometryError(
                f"warp: got {maps[number].tolist()} as map {number}; expected finite numbers "
                "that leave some area"
            )


def _as_type(values: Array, dtype: np.dtype[Any]) -> Array:
    """Values of blended pixels as the pictures' own numbers."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype, copy=False)


def _sources(maps: Array, height: int, width: int) -> tuple[Array, Array]:
    """Where each pixel of the views comes from: columns and rows (N, H * W), from -1 to one past.

    Maps speak of places, indices of pixel centres: index 0 lies at place 0.5.
    """
    inverse = np.linalg.inv(maps[:, :, :2])
    start = inverse @ (0.5 - maps[:, :, 2:]) - 0.5
    rows, columns = np.divmod(np.arange(height * width, dtype=np.float32), np.float32(width))
    places = inverse.astype(np.float32) @ np.stack((columns, rows)) + start.astype(np.float32)
    return np.clip(places[:, 0], -1, width), np.clip(places[:, 1], -1, height)


def _between(pixels: Array, first: Integers, right: Array) -> Array:
    """Pixels at `first`, blended into their right neighbours."""
    left: Array = pixels.take(first, axis=0)
    return left + (pixels.take(first + 1, axis=0) - left) * right
