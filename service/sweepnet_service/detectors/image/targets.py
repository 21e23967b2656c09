"""What the map should say: per cell which box it answers for and how much it counts.

Elliptic Gaussians as in TTFNet (Liu et al. 2020, Training-Time-Friendly Network).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_core.arrays import Array, Integers

from .augment.view import Sample
from .boxes import STRIDE_PX, area, cell_centres

SIGMA_OF_SIDE = 0.54 / 6
LEAST_SIGMA_PX = 0.3 * STRIDE_PX
POSITIVE_ABOVE = 0.1
UNKNOWN = -1
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Targets:
    """One array per question, all (N, H, W[, 4]).

    heat: closeness to the middle of the cell's box, 0 where it answers for none;
    background: 1 where a score counts as a false alarm;
    boxes: the true box of positive cells, input pixels; box_weight: its share in the box loss;
    species: index where known and close to the middle, else -1.
    """

    heat: Array
    background: Array
    boxes: Array
    box_weight: Array
    species: Integers


def targets_of(samples: Sequence[Sample], species_above: float = 0.3) -> Targets:
    """The targets of a batch of equally large samples."""
    single = [_targets(sample, species_above) for sample in samples]
    return Targets(
        np.stack([t.heat for t in single]),
        np.stack([t.background for t in single]),
        np.stack([t.boxes for t in single]),
        np.stack([t.box_weight for t in single]),
        np.stack([t.species for t in single]),
    )


def _targets(sample: Sample, species_above: float) -> Targets:
    rows, columns = (side // STRIDE_PX for side in sample.pixels.shape[:2])
    background = ~inside_any(sample.ignored, rows, columns)
    if len(sample.boxes) == 0:
        return _empty(rows, columns, background)
    heats = gaussians(sample.boxes, rows, columns)
    positive = heats > POSITIVE_ABOVE
    sizes = np.where(positive, area(sample.boxes)[:, None, None], np.inf)
    owner = sizes.argmin(axis=0)
    any_positive: Mask = np.asarray(positive.any(axis=0))
    heat = np.where(any_positive, np.take_along_axis(heats, owner[None], 0)[0], 0)
    known = any_positive & (heat > species_above)
    return Targets(
        heat=heat.astype(np.float32),
        background=(background & ~(heats > 0).any(axis=0)).astype(np.float32),
        boxes=np.where(any_positive[..., None], sample.boxes[owner], 0).astype(np.float32),
        box_weight=_box_weights(heat, owner, sample.boxes).astype(np.float32),
        species=np.where(known, sample.species[owner], UNKNOWN),
    )


def _empty(rows: int, columns: int, background: Mask) -> Targets:
    nothing = np.zeros((rows, columns), np.float32)
    return Targets(
        heat=nothing,
        background=background.astype(np.float32),
        boxes=np.zeros((rows, columns, 4), np.float32),
        box_weight=nothing,
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
