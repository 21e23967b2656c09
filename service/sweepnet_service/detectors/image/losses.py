"""The detector's loss and its gradient: varifocal scores, generalised IoU, points, species.

Varifocal: Zhang et al. 2021 (VarifocalNet). GIoU: Rezatofighi et al. 2019. Points are regressed as
the lectures do for corners, in units of the box, by smooth L1 (Girshick 2015); the four of a turned
box also by the overlap of its Gaussian (Llerena et al. 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cnn_core.arrays import Array, Flags, Integers
from cnn_core.decide.polygons import paired_iou
from cnn_core.losses import generalised_iou, probabilistic_iou

from .annotations import clockwise
from .boxes import LOG_SIDE_LIMIT, SIDE_UNIT_PX, boxes_of, points_in, within_boxes
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
    turned: float = 1.0


@dataclass(frozen=True)
class LossParts:
    """The terms before their factors, for the log."""

    score: float
    box: float = 0.0
    species: float = 0.0
    points: float = 0.0
    turned: float = 0.0

    def total(self, weights: LossWeights) -> float:
        """Their sum, each with its factor."""
        return (
            self.score
            + weights.box * self.box
            + weights.points * self.points
            + weights.turned * self.turned
            + weights.species * self.species
        )


def detection_loss(
    outputs: Array, targets: Targets, weights: LossWeights, layout: Layout = PLAIN
) -> tuple[float, Array, LossParts]:
    """Outputs (N, H, W, channels + species) -> loss, its gradient of the same shape, the terms."""
    gradient = np.zeros_like(outputs)
    positive = targets.heat > 0
    placed = _place_loss(outputs, targets, positive, weights, layout)
    gradient[positive, layout.sides] = placed.d_sides
    gradient[positive, layout.places] = placed.d_places
    quality = np.zeros_like(targets.background)
    quality[(*np.nonzero(positive), targets.labels[positive])] = placed.iou * np.sqrt(
        targets.heat[positive]
    )
    score, gradient[..., layout.scores] = varifocal(
        outputs[..., layout.scores], quality, targets.background * weights.background
    )
    species, d_species = species_loss(outputs[..., layout.channels :], targets.species)
    gradient[..., layout.channels :] = weights.species * d_species
    parts = LossParts(score, placed.box, species, placed.points, placed.turned)
    return parts.total(weights), gradient, parts


@dataclass(frozen=True, eq=False)
class _Placed:
    """Of the n positive cells: terms, overlaps (n,), gradients of their sides and points."""

    box: float
    points: float
    turned: float
    iou: Array
    d_sides: Array
    d_places: Array


def _place_loss(
    outputs: Array, targets: Targets, positive: Flags, weights: LossWeights, layout: Layout
) -> _Placed:
    true, points = targets.boxes[positive], targets.points[positive]
    share = targets.box_weight[positive] / max(float(targets.box_weight.sum()), 1.0)
    boxes = boxes_of(outputs[..., layout.sides])[positive]
    places = outputs[positive, layout.places].reshape(points.shape)
    giou, iou, d_boxes = generalised_iou(boxes, true)
    d_boxes = weights.box * (-d_boxes * share[:, None])
    within = within_boxes(points, true)
    apart, d_places = points_loss(places, within, share, layout.shape == TURNED)
    d_places, turned = weights.points * d_places, 0.0
    if layout.shape == TURNED:
        iou = paired_iou(clockwise(points_in(places, boxes)), points)
        turned, by_box, by_place = turned_loss(places, boxes, points, share)
        d_boxes = d_boxes + weights.turned * by_box
        d_places = d_places + weights.turned * by_place
    return _Placed(
        box=float(np.sum(share * (1 - giou))),
        points=apart,
        turned=turned,
        iou=iou,
        d_sides=sides_gradient(outputs[positive, layout.sides], d_boxes),
        d_places=d_places.reshape(len(share), 2 * layout.points),
    )


def turned_loss(
    places: Array, boxes: Array, true: Array, share: Array
) -> tuple[float, Array, Array]:
    """1 - probabilistic IoU of n cells of weights (n,): places (n, 4, 2) in half sides of boxes
    (n, 4), true corners (n, 4, 2) in pixels -> the loss, its gradients by boxes and by places."""
    overlap, slope = probabilistic_iou(points_in(places, boxes), true)
    d_corners = -slope * share[:, None, None]
    halves = (boxes[:, None, 2:] - boxes[:, None, :2]) / 2
    low = (d_corners * (1 - places) / 2).sum(axis=1)
    high = (d_corners * (1 + places) / 2).sum(axis=1)
    loss = float(np.sum(share * (1 - overlap)))
    return loss, np.concatenate((low, high), axis=1), d_corners * halves


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
