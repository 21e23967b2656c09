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


def weighted_mean(values: Array, slopes: Array, weights: Array | None) -> tuple[float, Array]:
    """(sum(w * values) / sum(w), its gradient); elements of weight 0 do not count at all."""
    if weights is None:
        return float(values.mean()), slopes / max(1, values.size)
    total = float(weights.sum(dtype=np.float64))
    if total <= 0:
        return 0.0, np.zeros_like(slopes)
    share = (weights / total).astype(slopes.dtype)
    # Where the weight is 0 the value may be anything, infinity included: it must not leak.
    used = weights > 0
    return float((values[used] * share[used]).sum()), _scale(slopes, share)


def _scale(slopes: Array, share: Array) -> Array:
    share = share.reshape(share.shape + (1,) * (slopes.ndim - share.ndim))
    return np.where(share > 0, slopes * share, 0).astype(slopes.dtype)
