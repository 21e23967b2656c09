"""Weighted means of losses: one weight an element, normalised by their sum."""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError, TrainingError


def spread(loss: str, weights: Array | None, shape: tuple[int, ...]) -> Array | None:
    """The weights, one for each element; refuses what does not broadcast, or is no weight."""
    if weights is None:
        return None
    weights = np.asarray(weights)
    try:
        weights = np.broadcast_to(weights, shape)
    except ValueError:
        raise ShapeError(
            f"{loss}: got weights of shape {weights.shape}; expected one that broadcasts to {shape}"
        ) from None
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise TrainingError(f"{loss}: got a weight below 0 or not finite; expected 0 or more")
    return weights


def counted(array: Array, weights: Array | None) -> Array:
    """The array with 0 where the weight is: what does not count, NaN and infinity included, is
    taken out before the arithmetic, so that it cannot leak."""
    if weights is None:
        return array
    idle = (weights == 0).reshape(weights.shape + (1,) * (array.ndim - weights.ndim))
    return np.where(idle, np.zeros((), array.dtype), array)


def weighted_mean(values: Array, slopes: Array, weights: Array | None) -> tuple[float, Array]:
    """(sum(w * values) / sum(w), its gradient), of what `counted` leaves."""
    if weights is None:
        return float(values.mean()), slopes / max(1, values.size)
    total = float(weights.sum(dtype=np.float64))
    if total <= 0:
        return 0.0, np.zeros_like(slopes)
    share = (weights / total).astype(slopes.dtype)
    each = share.reshape(share.shape + (1,) * (slopes.ndim - share.ndim))
    return float((values * share).sum()), slopes * each
