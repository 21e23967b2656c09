"""Pixels as the network takes them: float32, about -2..2, and the grey that surrounds a picture."""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array

from .pixels import Pixels

GREY = 114
PIXEL_MEAN = 118.0
PIXEL_SCALE = 64.0


def normalise(pixels: Pixels) -> Array:
    """uint8 -> float32 as the network takes it."""
    return (pixels.astype(np.float32) - np.float32(PIXEL_MEAN)) / np.float32(PIXEL_SCALE)
