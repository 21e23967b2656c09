"""A view of a picture: every point goes where one affine map sends it, and so do the labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from cnn_core.arrays import Array

from ..annotations import clockwise
from ..boxes import area
from ..dataset import Photo
from ..inputs import GREY
from ..layout import BOX, TURNED
from ..objects import Objects
from ..pixels import Pixels
from .settings import Augmentation

Pair = tuple[float, float]


@dataclass(frozen=True)
class View:
    """Source point (x, y) -> frame: matrix @ (x, y) + shift. Pixel i covers i to i + 1."""

    width: int
    height: int
    matrix: tuple[Pair, Pair]
    shift: Pair

    @classmethod
    def upright(cls, width: int, height: int, scale: Pair, shift: Pair) -> View:
        """A view that scales each axis."""
        return cls(width, height, ((scale[0], 0.0), (0.0, scale[1])), shift)

    def mirrored(self) -> View:
        """The same with left and right exchanged."""
        (a, b), below = self.matrix
        return replace(
            self, matrix=((-a, -b), below), shift=(self.width - self.shift[0], self.shift[1])
        )

    def points(self, points: Array) -> Array:
        """Points (..., 2) of the source -> of the frame."""
        return np.asarray(points @ np.array(self.matrix).T + np.array(self.shift))

    def move(self, boxes: Array, outline: str = "corners") -> Array:
        """Boxes (n, 4) of the source -> upright boxes of the frame, not clipped, that just hold
        the corners, or the ellipses that filled the source's boxes."""
        middle = self.points((boxes[:, :2] + boxes[:, 2:]) / 2)
        halves = (boxes[:, 2:] - boxes[:, :2]) / 2
        sides = np.abs(np.array(self.matrix)) * halves[:, None, :]
        reach = np.hypot(*sides.T).T if outline == "ellipse" else sides.sum(axis=-1)
        return np.concatenate((middle - reach, middle + reach), axis=1)


@dataclass(frozen=True)
class Sample:
    """A training picture: pixels (H, W, 3) uint8, its objects, and `ignored` (m, 4): regions of
    which nobody knows that they are background."""

    pixels: Pixels
    objects: Objects
    ignored: Array

    @property
    def boxes(self) -> Array:
        """Of its objects (n, 4)."""
        return self.objects.boxes


def render(pixels: Pixels, view: View) -> Pixels:
    """The view of a picture (H, W, 3) -> (view.height, view.width, 3), grey where it has none."""
    matrix = np.array(view.matrix)
    image, matrix = _shrunk(Image.fromarray(pixels), matrix)
    back = np.linalg.inv(matrix)
    start = -back @ np.array(view.shift)
    frame = image.transform(
        (view.width, view.height),
        Image.Transform.AFFINE,
        (*back[0], start[0], *back[1], start[1]),
        resample=Image.Resampling.BILINEAR,
        fillcolor=(GREY, GREY, GREY),
    )
    return np.asarray(frame)


def _shrunk(image: Image.Image, matrix: Array) -> tuple[Image.Image, Array]:
    """The picture made as small along each axis as the map will make it, and the map from there:
    the affine transform alone would skip pixels."""
    wide, high = (
        max(1, round(side * min(1.0, float(np.hypot(*column)))))
        for side, column in zip(image.size, matrix.T, strict=True)
    )
    if (wide, high) == image.size:
        return image, matrix
    small = image.resize((wide, high), Image.Resampling.BILINEAR)
    return small, matrix @ np.diag((image.width / wide, image.height / high))


def see(photo: Photo, view: View, settings: Augmentation, shape: str = BOX) -> Sample:
    """The photo through the view; objects of which too little is left become ignored regions."""
    objects = _moved(photo, view, settings.outline, shape)
    moved = objects.boxes
    limit = np.array([view.width, view.height, view.width, view.height])
    clipped = np.clip(moved, 0, limit)
    left = area(clipped)
    sides = clipped[:, 2:] - clipped[:, :2]
    large = (left >= settings.least_visible * area(moved)) & (
        sides.min(axis=1, initial=np.inf) >= settings.least_side_px
    )
    doubtful = np.clip(view.move(photo.doubtful.astype(np.float64)), 0, limit)
    ignored = np.concatenate((clipped[~large & (left > 0)], doubtful[area(doubtful) > 0]))
    if not photo.complete:
        ignored = np.concatenate((ignored, [[0.0, 0.0, view.width, view.height]]))
    return Sample(render(photo.pixels, view), replace(objects, boxes=clipped)[large], ignored)


def _moved(photo: Photo, view: View, outline: str, shape: str) -> Objects:
    """The photo's objects in the frame, not clipped to it."""
    boxes = photo.boxes.astype(np.float64)
    points = view.points(photo.objects.points)
    if shape == TURNED and len(boxes):
        points = clockwise(points)
        return replace(
            photo.objects,
            boxes=np.concatenate((points.min(axis=1), points.max(axis=1)), axis=1),
            points=points,
        )
    if photo.mirrored and np.linalg.det(np.array(view.matrix)) < 0:
        points = points[:, list(photo.mirrored)]
    return replace(photo.objects, boxes=view.move(boxes, outline), points=points)
