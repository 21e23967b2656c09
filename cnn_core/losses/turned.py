"""Overlap of turned boxes that can be learned from: of the Gaussians that their corners make.

Llerena et al. 2021, Gaussian Bounding Boxes and Probabilistic Intersection-over-Union.
"""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError

OF_CORNERS = 12
"""A box's own variance is that of its four corners' by 3, and theirs is their sum by 4."""
THIN = 1e-4
"""Added to both variances, as a share of the true one: a box without width still has a slope."""
DIGITS = 1e-9
"""The true variance counts as no less of the predicted one: their digits would not hold both."""
SMALLEST = 1e-12
"""Variance that even a true box of no size has."""
SOFT = 1e-3
"""Below the root, so that a box in its place has no infinite slope."""


def probabilistic_iou(predicted: Array, true: Array) -> tuple[Array, Array]:
    """Corners (n, 4, 2) of pairs -> overlap (n,) from 0 to 1, d overlap / d predicted (n, 4, 2).

    One less the Hellinger distance of two Gaussians with the boxes' means and variances. Which
    corner comes first does not matter, and boxes apart have a slope towards each other.
    """
    if predicted.shape[1:] != (4, 2) or true.shape != predicted.shape:
        raise ShapeError(
            f"probabilistic_iou: got shapes {predicted.shape} and {true.shape}; expected the same "
            "(n, 4, 2)"
        )
    mean, away, variance = _gaussian(predicted)
    true_mean, _, true_variance = _gaussian(true)
    size, own = (np.trace(each, axis1=1, axis2=2) for each in (true_variance, variance))
    size = np.maximum(size, np.maximum(DIGITS * own, SMALLEST))
    width = THIN * size[:, None, None] * np.eye(2)
    variance, true_variance = variance + width, true_variance + width
    both = (variance + true_variance) / 2
    apart = np.linalg.solve(both, (mean - true_mean)[..., None])[..., 0]
    spread = np.log(np.linalg.det(both))
    spread -= (np.log(np.linalg.det(variance)) + np.log(np.linalg.det(true_variance))) / 2
    shared = np.exp(-(((mean - true_mean) * apart).sum(axis=1) / 4 + spread) / 2)
    distance = np.sqrt(1 - np.minimum(shared, 1) + SOFT)
    whole = np.sqrt(1 + SOFT) - np.sqrt(SOFT)
    outer = apart[:, :, None] * apart[:, None, :]
    inverse = np.linalg.inv(both)
    d_variance = inverse / 4 - outer / 16 - np.linalg.inv(variance) / 4
    d_corners = 2 / OF_CORNERS * away @ d_variance + apart[:, None] / 16
    slope = -shared / (2 * distance * whole)
    overlap = 1 - (distance - np.sqrt(SOFT)) / whole
    return overlap.astype(predicted.dtype), (slope[:, None, None] * d_corners).astype(
        predicted.dtype
    )


def _gaussian(corners: Array) -> tuple[Array, Array, Array]:
    """Mean (n, 2), corners from there (n, 4, 2) and variance (n, 2, 2) of a box's area."""
    exact = corners.astype(np.float64)
    mean = exact.mean(axis=1)
    away = exact - mean[:, None]
    return mean, away, away.transpose(0, 2, 1) @ away / OF_CORNERS
