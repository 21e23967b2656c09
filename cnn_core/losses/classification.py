"""Cross-entropy: how surprised the scores are by the truth."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax

from cnn_core.arrays import Array, Integers
from cnn_core.errors import TrainingError
from cnn_core.losses.checks import expect_floating, expect_range, expect_shape, known_classes
from cnn_core.losses.weighting import counted, spread, weighted_mean


def cross_entropy(
    logits: Array,
    classes: Integers,
    weights: Array | None = None,
    *,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Mean of -log softmax(logits)[class]: logits (..., L), classes (...) in 0..L-1.

    With label smoothing e the truth is 1 - e + e / L for the class and e / L for every other
    (Szegedy et al. 2016).
    """
    expect_floating("cross_entropy", logits)
    expect_shape("cross_entropy", "classes", classes.shape, logits.shape[:-1])
    if not 0 <= label_smoothing < 1:
        raise TrainingError(
            f"cross_entropy: got label_smoothing {label_smoothing}; expected 0 to below 1"
        )
    weights = spread("cross_entropy", weights, classes.shape)
    known = known_classes("cross_entropy", classes, logits.shape[-1], weights)[..., None]
    log_p = log_softmax(counted(logits, weights), axis=-1)
    values = -np.take_along_axis(log_p, known, axis=-1)[..., 0]
    slopes = np.exp(log_p)
    truth = np.take_along_axis(slopes, known, axis=-1)
    np.put_along_axis(slopes, known, truth - (1 - label_smoothing), axis=-1)
    if label_smoothing:
        values = (1 - label_smoothing) * values - label_smoothing * log_p.mean(axis=-1)
        slopes -= label_smoothing / logits.shape[-1]
    return weighted_mean(values, slopes, weights)


def binary_cross_entropy(
    logits: Array,
    targets: Array,
    weights: Array | None = None,
    *,
    focal_gamma: float = 0.0,
) -> tuple[float, Array]:
    """Mean of -t log p - (1 - t) log(1 - p), p = sigmoid(logits); targets in 0..1, same shape.

    With `focal_gamma` g the terms count (1 - p)^g and p^g times, so that what is already right
    fades (Lin et al. 2017); their class balance is a matter of the weights.
    """
    expect_floating("binary_cross_entropy", logits)
    expect_shape("binary_cross_entropy", "targets", targets.shape, logits.shape)
    weights = spread("binary_cross_entropy", weights, logits.shape)
    expect_range("binary_cross_entropy", targets, weights, 0, 1)
    if not 0 <= focal_gamma < np.inf:
        raise TrainingError(
            f"binary_cross_entropy: got focal_gamma {focal_gamma}; expected 0 or more"
        )
    logits, targets = counted(logits, weights), counted(targets, weights)
    if focal_gamma:
        return weighted_mean(*_focal(logits, targets, focal_gamma), weights)
    # max(z, 0) - z t + log(1 + exp(-|z|)) neither overflows nor loses small probabilities.
    values = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return weighted_mean(values, (expit(logits) - targets).astype(logits.dtype), weights)


def _focal(logits: Array, targets: Array, gamma: float) -> tuple[Array, Array]:
    """The focal loss of each element and its slope, the factor's own slope included."""
    p, q = expit(logits), expit(-logits)
    surprise_if_true, surprise_if_false = np.logaddexp(0, -logits), np.logaddexp(0, logits)
    if_true, if_false = q**gamma, p**gamma
    values = targets * if_true * surprise_if_true + (1 - targets) * if_false * surprise_if_false
    slopes = (1 - targets) * if_false * (gamma * q * surprise_if_false + p)
    slopes -= targets * if_true * (gamma * p * surprise_if_true + q)
    return values, slopes.astype(logits.dtype)
