"""Cross-entropy: how surprised the scores are by the truth."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError
from cnn_core.losses.weighting import weighted_mean


def cross_entropy(
    logits: Array, classes: Integers, weights: Array | None = None
) -> tuple[float, Array]:
    """Mean of -log softmax(logits)[class]: logits (..., L), classes (...) in 0..L-1."""
    if classes.shape != logits.shape[:-1]:
        raise ShapeError(
            f"cross_entropy: got classes of shape {classes.shape}; expected {logits.shape[:-1]}"
        )
    log_p = log_softmax(logits, axis=-1)
    values = -np.take_along_axis(log_p, classes[..., None], axis=-1)[..., 0]
    slopes = np.exp(log_p)
    truth = np.take_along_axis(slopes, classes[..., None], axis=-1)
    np.put_along_axis(slopes, classes[..., None], truth - 1, axis=-1)
    return weighted_mean(values, slopes, weights)


def binary_cross_entropy(
    logits: Array, targets: Array, weights: Array | None = None
) -> tuple[float, Array]:
    """Mean of -t log sigmoid(z) - (1 - t) log(1 - sigmoid(z)); targets in 0..1, same shape."""
    if targets.shape != logits.shape:
        raise ShapeError(
            f"binary_cross_entropy: got targets of shape {targets.shape}; expected {logits.shape}"
        )
    # max(z, 0) - z t + log(1 + exp(-|z|)) neither overflows nor loses small probabilities.
    values = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return weighted_mean(values, (expit(logits) - targets).astype(logits.dtype), weights)
