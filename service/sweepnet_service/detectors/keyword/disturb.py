"""Activations of the trunk made unlike themselves, so that a head does not rely on a few of them.

Programs that speak are few, and a head learns what their voices have in common as readily as the
word. Noise in every activation and channels that are missing altogether leave only what many of
them tell together (Bishop, Training with noise is equivalent to Tikhonov regularization, 1995;
Tompson et al., Efficient object localization using convolutional networks, 2015).
"""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array

NOISE = 0.5
"""Of added noise, relative to how much each channel varies in the batch."""
MISSING = 0.2
"""How many of the channels of a segment are missing."""


def disturb(values: Array, rng: np.random.Generator) -> Array:
    """Segments (N, T, C) with noise added and channels missing; what is left is raised so that the
    mean of a channel stays.
    """
    noise = rng.standard_normal(values.shape, dtype=np.float32)
    noise *= NOISE * values.std(axis=(0, 1))
    there = rng.random((len(values), 1, values.shape[2])) >= MISSING
    return (values + noise) * (there / (1 - MISSING)).astype(np.float32)
