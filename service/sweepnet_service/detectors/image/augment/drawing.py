"""Which view: flips, turns, shears, stretches, scales, shifts, zooms onto a box, mosaics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cnn_core.arrays import Array

from ..dataset import Photo
from ..layout import BOX
from ..objects import Objects
from .settings import Augmentation
from .view import Sample, View, see


def draw_view(
    rng: np.random.Generator, photo: Photo, width: int, height: int, settings: Augmentation
) -> View:
    """A random view of `photo` in a frame of width x height."""
    rows, columns = photo.pixels.shape[:2]
    whole = min(width / columns, height / rows)
    shown = np.array([0.0, 0.0, columns, rows])
    scale = whole * _ratio(rng, settings.scale_ratio)
    if len(photo.boxes) and rng.random() < settings.zoom_share:
        shown = photo.boxes[rng.integers(len(photo.boxes))].astype(np.float64)
        side = min(width, height) * np.exp(rng.uniform(*np.log(settings.zoom_side)))
        smallest, largest = (whole * limit for limit in settings.zoom_limits)
        scale = np.clip(side / max(*(shown[2:] - shown[:2]), 1.0), smallest, largest)
    matrix = scale * _shape(rng, settings)
    # Where the shown part would lie without a shift, and how much room it leaves.
    at_origin = View(width, height, _pairs(matrix), (0.0, 0.0)).move(shown[None])[0]
    room = np.array([width, height]) - (at_origin[2:] - at_origin[:2])
    left, top = (_between(rng, float(each)) for each in room)
    shift = (left - float(at_origin[0]), top - float(at_origin[1]))
    view = View(width, height, _pairs(matrix), shift)
    return view.mirrored() if rng.random() < 0.5 else view


def _shape(rng: np.random.Generator, settings: Augmentation) -> Array:
    """A map (2, 2) that stretches, and now and then shears and turns; areas stay."""
    stretch = np.sqrt(_ratio(rng, settings.stretch_ratio))
    stretched = np.diag((stretch, 1 / stretch))
    if rng.random() >= settings.turned_share:
        return stretched
    turn, shear = np.deg2rad(rng.uniform(-1, 1, 2) * (settings.turn_deg, settings.shear_deg))
    sheared = np.array([[1.0, np.tan(shear)], [0.0, 1.0]])
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(turned @ sheared @ stretched)


def _ratio(rng: np.random.Generator, limit: float) -> float:
    return float(np.exp(rng.uniform(-np.log(limit), np.log(limit))))


def _pairs(matrix: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    (a, b), (c, d) = matrix.tolist()
    return (a, b), (c, d)


def _between(rng: np.random.Generator, room: float) -> float:
    """A place for something with `room` to spare; negative room: any place that fills the frame."""
    return float(rng.uniform(min(0.0, room), max(0.0, room)))


def mosaic(
    draw: Callable[[], Photo],
    rng: np.random.Generator,
    size: int,
    settings: Augmentation,
    shape: str = BOX,
) -> Sample:
    """Four random views side by side, split at a random point."""
    cut_x, cut_y = (round(size * rng.uniform(*settings.mosaic_split)) for _ in range(2))
    frame = np.empty((size, size, 3), np.uint8)
    parts: list[Sample] = []
    for x0, x1 in ((0, cut_x), (cut_x, size)):
        for y0, y1 in ((0, cut_y), (cut_y, size)):
            photo = draw()
            view = draw_view(rng, photo, x1 - x0, y1 - y0, settings)
            part = see(photo, view, settings, shape)
            frame[y0:y1, x0:x1] = part.pixels
            ignored = part.ignored + np.array([x0, y0, x0, y0])
            parts.append(replace(part, objects=part.objects.moved(x0, y0), ignored=ignored))
    return Sample(
        frame,
        Objects.joined([part.objects for part in parts]),
        np.concatenate([part.ignored for part in parts]),
    )
