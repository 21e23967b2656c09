"""The detector's loss and its gradient: varifocal scores, generalised IoU, points, species.

Varifocal: Zhang et al. 2021 (VarifocalNet). GIoU: Rezatofighi et al. 2019. Points are regressed as
the lectures do for corners, in units of the box, by smooth L1 (Girshick 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cnn_core.arrays import Array, Integers
from cnn_core.losses import generalised_iou

from .boxes import LOG_SIDE_LIMIT, SIDE_UNIT_PX, boxes_of, within_boxes
from .layout import CORNERS, PLAIN, TURNED, Layout
from .targets import Targets

KNEE = 0.1
"""Half sides of the box from which on an error of a point counts by its size, no longer squared."""


@dataclass(frozen=True)
class LossWeights:
    """Factors of the terms; `background` weighs false alarms against found boxes."""

    background: float = 1.0
    box: float = 2.0
    species: float = 0.2
    points: float = 2.0


@dataclass(frozen=True)
class LossParts:
    """The terms before their factors, for the log."""

    score: float
    box: float = 0.0
    species: float = 0.0
    points: float = 0.0


def detection_loss(
    outputs: Array, targets: Targets, weights: LossWeights, layout: Layout = PLAIN
) -> tuple[float, Array, LossParts]:
    """Outputs (N, H, W, channels + species) -> loss, its gradient of the same shape, the terms."""
    gradient = np.zeros_like(outputs)
    positive = targets.heat > 0
    sides, true = outputs[..., layout.sides], targets.boxes[positive]
    giou, iou, d_boxes = generalised_iou(boxes_of(sides)[positive], true)
    quality = np.zeros_like(targets.background)
    quality[(*np.nonzero(positive), targets.labels[positive])] = iou * np.sqrt(
        targets.heat[positive]
    )
    score, gradient[..., layout.scores] = varifocal(
        outputs[..., layout.scores], quality, targets.background * weights.background
    )
    share = targets.box_weight[positive] / max(float(targets.box_weight.sum()), 1.0)
    box = float(np.sum(share * (1 - giou)))
    d_sides = sides_gradient(sides[positive], -d_boxes * share[:, None])
    gradient[positive, layout.sides] = weights.box * d_sides
    known = within_boxes(targets.points[positive], true)
    points, d_points = points_loss(
        outputs[positive, layout.places].reshape(known.shape), known, share, layout.shape == TURNED
    )
    d_places = d_points.reshape(len(share), 2 * layout.points)
    gradient[positive, layout.places] = weights.points * d_places
    species, d_species = species_loss(outputs[..., layout.channels :], targets.species)
    gradient[..., layout.channels :] = weights.species * d_species
    total = score + weights.box * box + weights.points * points + weights.species * species
    return total, gradient, LossParts(score, box, species, points)


def points_loss(
    predicted: Array, true: Array, share: Array, turned: bool = False
) -> tuple[float, Array]:
    """Points (n, P, 2) of n cells of weights (n,), both in half sides of the box -> smooth L1 over
    the points that are known, and its gradient.

    A turned box has no first corner: its corners are compared to those that come next clockwise,
    as they are and begun with the second, the third, the fourth, whichever is nearest.
    """
    begun = [np.roll(true, -first, axis=1) for first in range(CORNERS if turned else 1)]
    errors = np.stack([_smooth_l1(predicted - each).sum(axis=(1, 2)) for each in begun])
    nearest = np.choose(errors.argmin(axis=0)[:, None, None], begun)
    apart, known = predicted - nearest, np.isfinite(nearest).all(axis=2)
    each = share / np.maximum(known.sum(axis=1), 1)
    slope = np.where(known[..., None], np.clip(apart / KNEE, -1, 1), 0)
    loss = float(np.sum(each * _smooth_l1(apart).sum(axis=(1, 2))))
    return loss, np.asarray(slope * each[:, None, None], predicted.dtype)


def _smooth_l1(apart: Array) -> Array:
    """Squared below KNEE, then linear; 0 where a point is not known."""
    size = np.abs(apart)
    return np.nan_to_num(np.where(size < KNEE, size**2 / (2 * KNEE), size - KNEE / 2))


def varifocal(logits: Array, quality: Array, background: Array) -> tuple[float, Array]:
    """Binary cross-entropy towards `quality`, weighted by it, and by p^2 on the background.

    The weights carry no gradient. Both terms are divided by the sum of `quality` (at least 1).
    """
    p = expit(logits)
    weight = (quality + background * p * p) / max(float(quality.sum()), 1.0)
    entropy = np.logaddexp(0, logits) - quality * logits
    return float(np.sum(weight * entropy)), weight * (p - quality)


def sides_gradient(outputs: Array, d_boxes: Array) -> Array:
    """Chain rule from corners (n, 4) to the outputs (n, 4) behind them."""
    limited = np.clip(outputs, -LOG_SIDE_LIMIT, LOG_SIDE_LIMIT)
    sides = SIDE_UNIT_PX * np.exp(limited) * (np.abs(outputs) <= LOG_SIDE_LIMIT)
    return d_boxes * sides * np.array([-1, -1, 1, 1], outputs.dtype)


def species_loss(logits: Array, species: Integers) -> tuple[float, Array]:
    """Mean cross-entropy over the cells with a known species (>= 0), and its gradient."""
    known = species >= 0
    gradient = np.zeros_like(logits)
    count = int(known.sum())
    if count == 0 or logits.shape[-1] == 0:
        return 0.0, gradient
    picked = logits[known]
    picked = picked - picked.max(axis=1, keepdims=True)
    log_p = picked - np.log(np.exp(picked).sum(axis=1, keepdims=True))
    rows = np.arange(count)
    d_picked = np.exp(log_p)
    d_picked[rows, species[known]] -= 1
    gradient[known] = d_picked / count
    return float(-log_p[rows, species[known]].mean()), gradient
