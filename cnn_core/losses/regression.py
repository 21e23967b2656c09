"""Regression losses: how far numbers are from their targets."""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError
from cnn_core.losses.weighting import weighted_mean


def smooth_l1(
    values: Array, targets: Array, weights: Array | None = None, *, beta: float = 1.0
) -> tuple[float, Array]:
    """Mean of d^2 / (2 beta) within beta, |d| - beta / 2 beyond (Girshick 2015)."""
    if values.shape != targets.shape:
        raise ShapeError(
            f"smooth_l1: got targets of shape {targets.shape}; expected {values.shape}"
        )
    difference = values - targets
    distance = np.abs(difference)
    near = distance < beta
    losses = np.where(near, difference**2 / (2 * beta), distance - beta / 2)
    slopes = np.where(near, difference / beta, np.sign(difference)).astype(values.dtype)
    return weighted_mean(losses, slopes, weights)
