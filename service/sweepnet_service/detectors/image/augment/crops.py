"""Parts of photos: without any of their objects, or close round one of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..boxes import area
from ..dataset import Photo
from ..objects import Objects
from .settings import Augmentation

SMALLEST_CROP_PX = 48
CROP_TRIES = 12
FILLS = 0.5
"""Share of a part from which on what covers it is an object, however little of it is seen."""


def free_crop(rng: np.random.Generator, photo: Photo) -> Photo | None:
    """A part of a complete photo that holds none of its objects, None where chance finds none.

    What surrounds the objects, foliage and ground, is the hardest background that there is.
    """
    height, width = photo.pixels.shape[:2]
    if not photo.complete or min(height, width) < SMALLEST_CROP_PX:
        return None
    taken = np.concatenate((photo.boxes, photo.doubtful))
    for _ in range(CROP_TRIES):
        (x0, x1), (y0, y1) = _piece(rng, width), _piece(rng, height)
        apart = (
            (taken[:, 2] <= x0) | (taken[:, 0] >= x1) | (taken[:, 3] <= y0) | (taken[:, 1] >= y1)
        )
        if apart.all():
            return Photo(
                name=photo.name,
                pixels=np.ascontiguousarray(photo.pixels[y0:y1, x0:x1]),
                objects=Objects.none(),
                complete=True,
            )
    return None


def close_crop(rng: np.random.Generator, photo: Photo, settings: Augmentation) -> Photo:
    """A part of a photo round the middle of one of its objects; one without any stays whole.

    Petals that fill a picture are a flower, though most of it is outside.
    """
    height, width = photo.pixels.shape[:2]
    if not len(photo.boxes) or min(height, width) < SMALLEST_CROP_PX:
        return photo
    left, top, right, bottom = photo.boxes[rng.integers(len(photo.boxes))].tolist()
    x0, x1 = _piece(rng, width, (left + right) / 2)
    y0, y1 = _piece(rng, height, (top + bottom) / 2)
    moved = photo.objects.moved(-x0, -y0)
    limit = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    seen = np.clip(moved.boxes, 0, limit).astype(np.float32)
    left_over = area(seen)
    enough = left_over >= np.minimum(
        settings.least_visible * area(moved.boxes), FILLS * (x1 - x0) * (y1 - y0)
    )
    doubtful = np.clip(photo.doubtful - np.array([x0, y0, x0, y0]), 0, limit)
    return replace(
        photo,
        pixels=np.ascontiguousarray(photo.pixels[y0:y1, x0:x1]),
        objects=replace(moved, boxes=seen)[enough],
        doubtful=np.concatenate((doubtful, seen[~enough & (left_over > 0)])).astype(np.float32),
    )


def _piece(rng: np.random.Generator, length: int, middle: float | None = None) -> tuple[int, int]:
    """A random piece of an axis, log-uniform in its length, anywhere or round a place."""
    least = np.log(SMALLEST_CROP_PX)
    long = min(length, round(np.exp(rng.uniform(least, max(least, np.log(length))))))
    if middle is None:
        start = int(rng.integers(0, length - long + 1))
    else:
        start = int(np.clip(round(middle - long / 2), 0, length - long))
    return start, start + long
