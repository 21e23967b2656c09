"""What the map should say: per cell which box it answers for and how much it counts.

Elliptic Gaussians as in TTFNet (Liu et al. 2020, Training-Time-Friendly Network).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cnn_core.arrays import Array, Integers

from .augment.view import Sample
from .boxes import STRIDE_PX, area, cell_centres
from .layout import PLAIN, Layout
from .objects import UNKNOWN, Objects

SIGMA_OF_SIDE = 0.54 / 6
LEAST_SIGMA_PX = 0.3 * STRIDE_PX
POSITIVE_ABOVE = 0.1
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Targets:
    """One array per question, all (N, H, W[, ...]).

    heat: closeness to the middle of the cell's box, 0 where it answers for none;
    labels: which label that box has;
    background (..., labels): 1 where a score counts as a false alarm;
    boxes (..., 4): the true box of positive cells, input pixels; box_weight: its share in the loss;
    points (..., P, 2): its true points, input pixels, NaN where not known;
    species: index where known and close to the middle, else -1.
    """

    heat: Array
    labels: Integers
    background: Array
    boxes: Array
    box_weight: Array
    points: Array
    species: Integers


def targets_of(
    samples: Sequence[Sample], layout: Layout = PLAIN, species_above: float = 0.3
) -> Targets:
    """The targets of a batch of equally large samples."""
    single = [_targets(sample, layout, species_above) for sample in samples]
    return Targets(
        *(np.stack([getattr(each, part.name) for each in single]) for part in fields(Targets))
    )


def _targets(sample: Sample, layout: Layout, species_above: float) -> Targets:
    rows, columns = (side // STRIDE_PX for side in sample.pixels.shape[:2])
    known = ~inside_any(sample.ignored, rows, columns)
    background = np.repeat(known[..., None], layout.labels, axis=2)
    if len(sample.objects) == 0:
        return _empty(background, layout.points)
    objects, heats = sample.objects, gaussians(sample.boxes, rows, columns)
    for label in range(layout.labels):
        background[..., label] &= ~(heats[objects.labels == label] > 0).any(axis=0)
    positive = heats > POSITIVE_ABOVE
    sizes = np.where(positive, area(sample.boxes)[:, None, None], np.inf)
    owner = sizes.argmin(axis=0)
    any_positive: Mask = np.asarray(positive.any(axis=0))
    heat = np.where(any_positive, np.take_along_axis(heats, owner[None], 0)[0], 0)
    named = any_positive & (heat > species_above)
    return Targets(
        heat=heat.astype(np.float32),
        labels=objects.labels[owner],
        background=background.astype(np.float32),
        boxes=np.where(any_positive[..., None], sample.boxes[owner], 0).astype(np.float32),
        box_weight=_box_weights(heat, owner, sample.boxes).astype(np.float32),
        points=_points(objects, owner, layout.points),
        species=np.where(named, objects.species[owner], UNKNOWN),
    )


def _points(objects: Objects, owner: Integers, count: int) -> Array:
    """Those of each cell's object; NaN where the data has none."""
    points = objects.points.astype(np.float32)
    if points.shape[1] != count:
        points = np.full((len(objects), count, 2), np.nan, np.float32)
    return points[owner]


def _empty(background: Mask, points: int) -> Targets:
    rows, columns = background.shape[:2]
    nothing = np.zeros((rows, columns), np.float32)
    return Targets(
        heat=nothing,
        labels=np.zeros((rows, columns), np.int64),
        background=background.astype(np.float32),
        boxes=np.zeros((rows, columns, 4), np.float32),
        box_weight=nothing,
        points=np.full((rows, columns, points, 2), np.nan, np.float32),
        species=np.full((rows, columns), UNKNOWN),
    )


def _box_weights(heat: Array, owner: Integers, boxes: Array) -> Array:
    """Heat shared out so that each box weighs ln(its area), whatever number of cells it has."""
    totals = np.bincount(owner.ravel(), heat.ravel(), minlength=len(boxes))
    weights = np.log(np.maximum(area(boxes), np.e)) / np.maximum(totals, 1e-9)
    return heat * weights[owner]


def gaussians(boxes: Array, rows: int, columns: int) -> Array:
    """(n, 4) -> (n, rows, columns): 1 at the cell of the box's centre, 0 outside the box."""
    y, x = cell_centres(rows, columns)
    across = _bells(x[0], boxes[:, 0], boxes[:, 2])
    down = _bells(y[:, 0], boxes[:, 1], boxes[:, 3])
    return down[:, :, None] * across[:, None, :]


def _bells(centres: Array, low: Array, high: Array) -> Array:
    """One axis: (n,) intervals -> (n, cells)."""
    last = len(centres) - 1
    middle = np.clip((low + high) / 2 // STRIDE_PX, 0, last) * STRIDE_PX + STRIDE_PX / 2
    sigma = np.maximum(SIGMA_OF_SIDE * (high - low), LEAST_SIGMA_PX)
    distance = centres[None, :] - middle[:, None]
    bell = np.exp(-0.5 * (distance / sigma[:, None]) ** 2)
    inside = (centres >= low[:, None]) & (centres < high[:, None])
    return np.where(inside | (distance == 0), bell, 0)


def inside_any(boxes: Array, rows: int, columns: int) -> Mask:
    """(rows, columns): whether the cell's centre lies in one of the boxes (n, 4)."""
    y, x = cell_centres(rows, columns)
    b = boxes[:, :, None, None]
    inside = (x >= b[:, 0]) & (x < b[:, 2]) & (y >= b[:, 1]) & (y < b[:, 3])
    return np.asarray(inside.any(axis=0))
