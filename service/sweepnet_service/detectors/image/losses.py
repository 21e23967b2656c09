"""The detector's loss and its gradient: varifocal score, generalised IoU, species.

Varifocal: Zhang et al. 2021 (VarifocalNet). GIoU: Rezatofighi et al. 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cnn_core.arrays import Array, Integers
from cnn_core.losses import generalised_iou

from .boxes import LOG_SIDE_LIMIT, SIDE_UNIT_PX, boxes_of
from .targets import Targets

SCORE, SIDES, SPECIES = 0, slice(1, 5), 5


@dataclass(frozen=True)
class LossWeights:
    """Factors of the terms; `background` weighs false alarms against found boxes."""

    background: float = 1.0
    box: float = 2.0
    species: float = 0.2


@dataclass(frozen=True)
class LossParts:
    """The terms before their factors, for the log."""

    score: float
    box: float
    species: float


def detection_loss(
    outputs: Array, targets: Targets, weights: LossWeights
) -> tuple[float, Array, LossParts]:
    """Outputs (N, H, W, 5 + species) -> loss, its gradient of the same shape, the terms."""
    gradient = np.zeros_like(outputs)
    positive = targets.heat > 0
    predicted = boxes_of(outputs[..., SIDES])[positive]
    giou, iou, d_boxes = generalised_iou(predicted, targets.boxes[positive])
    quality = np.zeros_like(targets.heat)
    quality[positive] = iou * np.sqrt(targets.heat[positive])
    score, gradient[..., SCORE] = varifocal(
        outputs[..., SCORE], quality, targets.background * weights.background
    )
    share = targets.box_weight[positive] / max(float(targets.box_weight.sum()), 1.0)
    box = float(np.sum(share * (1 - giou)))
    d_sides = sides_gradient(outputs[..., SIDES][positive], -d_boxes * share[:, None])
    gradient[positive, SIDES] = weights.box * d_sides
    species, d_species = species_loss(outputs[..., SPECIES:], targets.species)
    gradient[..., SPECIES:] = weights.species * d_species
    total = score + weights.box * box + weights.species * species
    return total, gradient, LossParts(score, box, species)


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
