"""Boxes in pixels and their cells on the map: decoding, intersection over union, letterbox."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cnn_core.arrays import Array

STRIDE_PX = 8
SIDE_UNIT_PX = 16.0
LOG_SIDE_LIMIT = 4.0


def cell_centres(rows: int, columns: int) -> tuple[Array, Array]:
    """y (rows, 1) and x (1, columns) of the cells' centres in network input pixels."""
    y = (np.arange(rows, dtype=np.float32) + 0.5) * STRIDE_PX
    x = (np.arange(columns, dtype=np.float32) + 0.5) * STRIDE_PX
    return y[:, None], x[None, :]


def boxes_of(outputs: Array) -> Array:
    """Outputs for left, top, right, bottom (..., H, W, 4) -> x0, y0, x1, y1 in input pixels."""
    sides = SIDE_UNIT_PX * np.exp(np.clip(outputs, -LOG_SIDE_LIMIT, LOG_SIDE_LIMIT))
    y, x = cell_centres(outputs.shape[-3], outputs.shape[-2])
    left, top, right, bottom = np.moveaxis(sides, -1, 0)
    return np.stack((x - left, y - top, x + right, y + bottom), axis=-1)


def area(boxes: Array) -> Array:
    """(..., 4) -> (...) in square pixels; zero where a side is negative."""
    width = np.maximum(boxes[..., 2] - boxes[..., 0], 0)
    height = np.maximum(boxes[..., 3] - boxes[..., 1], 0)
    return width * height


def corners(box: tuple[float, float, float, float]) -> tuple[tuple[float, float], ...]:
    """The four (x, y) corners, clockwise from the top left."""
    x0, y0, x1, y1 = box
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def within_boxes(points: Array, boxes: Array) -> Array:
    """Points (..., P, 2) as half sides of their boxes (..., 4) from the middle: corners at +-1."""
    middle, half = _middle(boxes)
    return np.asarray((points - middle) / np.maximum(half, 1e-6))


def points_in(places: Array, boxes: Array) -> Array:
    """The other way: (..., P, 2) in half sides of the boxes (..., 4) -> in the boxes' pixels."""
    middle, half = _middle(boxes)
    return np.asarray(middle + places * half)


def _middle(boxes: Array) -> tuple[Array, Array]:
    """Middle and half sides, both (..., 1, 2)."""
    low, high = boxes[..., None, :2], boxes[..., None, 2:]
    return (low + high) / 2, (high - low) / 2


@dataclass(frozen=True)
class Letterbox:
    """How a picture lies centred in a square of `size` pixels: input = scale * pixel + shift.

    The scales of the axes differ by the rounding of the sides to whole pixels.
    """

    size: int
    width_px: int
    height_px: int
    inner: tuple[int, int, int, int]

    @classmethod
    def of(cls, width_px: int, height_px: int, size: int) -> Letterbox:
        """The picture as large as fits into `size` x `size`, in its middle."""
        scale = min(size / width_px, size / height_px)
        wide = min(size, max(1, round(width_px * scale)))
        high = min(size, max(1, round(height_px * scale)))
        x0, y0 = (size - wide) // 2, (size - high) // 2
        return cls(size, width_px, height_px, (x0, y0, x0 + wide, y0 + high))

    @property
    def mirrored(self) -> Letterbox:
        """The same of the mirror image of the whole square."""
        x0, y0, x1, y1 = self.inner
        return replace(self, inner=(self.size - x1, y0, self.size - x0, y1))

    @property
    def scale(self) -> tuple[float, float]:
        """Input pixels per picture pixel: (x, y)."""
        x0, y0, x1, y1 = self.inner
        return (x1 - x0) / self.width_px, (y1 - y0) / self.height_px

    def to_picture(self, boxes: Array) -> Array:
        """Boxes (n, 4) of the network input -> of the picture, clipped to it."""
        return self.clipped(self.points_to_picture(boxes.reshape(-1, 2, 2)).reshape(-1, 4))

    def clipped(self, boxes: Array) -> Array:
        """Boxes (n, 4) in the picture's pixels without what lies beside it."""
        limit = np.array([self.width_px, self.height_px, self.width_px, self.height_px])
        return np.asarray(np.clip(boxes, 0, limit))

    def points_to_picture(self, points: Array) -> Array:
        """Points (..., 2) of the network input -> of the picture."""
        return np.asarray((points - np.array(self.inner[:2])) / np.array(self.scale))
