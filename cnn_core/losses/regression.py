"""Regression losses: how far numbers are from their targets."""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import TrainingError
from cnn_core.losses.checks import expect_floating, expect_range, expect_shape
from cnn_core.losses.weighting import counted, spread, weighted_mean


def squared_error(
    values: Array, targets: Array, weights: Array | None = None
) -> tuple[float, Array]:
    """L2: the mean of d^2, d = values - targets (the lectures' 1/2 d^2 has half its gradient)."""
    difference, weights = _difference("squared_error", values, targets, weights)
    return weighted_mean(difference**2, 2 * difference, weights)


def smooth_l1(
    values: Array, targets: Array, weights: Array | None = None, *, beta: float = 1.0
) -> tuple[float, Array]:
    """Mean of d^2 / (2 beta) within beta, |d| - beta / 2 beyond (Girshick 2015)."""
    if not beta > 0:
        raise TrainingError(f"smooth_l1: got beta {beta}; expected a number above 0")
    difference, weights = _difference("smooth_l1", values, targets, weights)
    distance = np.abs(difference)
    near = distance < beta
    losses = np.where(near, difference**2 / (2 * beta), distance - beta / 2)
    slopes = np.where(near, difference / beta, np.sign(difference))
    return weighted_mean(losses, slopes, weights)


def _difference(
    loss: str, values: Array, targets: Array, weights: Array | None
) -> tuple[Array, Array | None]:
    """(values - targets, 0 where they do not count; the weights, one for each)."""
    expect_floating(loss, values)
    expect_shape(loss, "targets", targets.shape, values.shape)
    weights = spread(loss, weights, values.shape)
    expect_range(loss, targets, weights)
    difference = counted(values, weights) - counted(targets, weights)
    return difference.astype(values.dtype, copy=False), weights
