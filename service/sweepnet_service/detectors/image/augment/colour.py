"""A random change of colour, applied while pixels become the network's input."""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array

from ..inputs import PIXEL_MEAN, PIXEL_SCALE
from ..pixels import Pixels
from .settings import Augmentation

LUMA = np.array([0.299, 0.587, 0.114])
GREY_AXIS = np.ones(3) / np.sqrt(3)


def draw_colour(rng: np.random.Generator, settings: Augmentation) -> tuple[Array, Array]:
    """A random change of colour of normalised pixels: matrix (3, 3) and bias (3,): x @ m + b."""
    saturation = 0.0 if rng.random() < settings.grey_share else rng.uniform(*settings.saturation)
    grey = np.repeat(LUMA[:, None], 3, axis=1)
    hue = _hue(np.deg2rad(rng.uniform(-settings.hue_deg, settings.hue_deg)))
    matrix = hue @ (saturation * np.eye(3) + (1 - saturation) * grey)
    spread = settings.channel_gain
    gains = rng.uniform(*settings.gain) * (1 + rng.uniform(-spread, spread, 3))
    offset = rng.uniform(-settings.offset, settings.offset)
    bias = offset + rng.uniform(-settings.channel_offset, settings.channel_offset, 3)
    return (matrix * gains).astype(np.float32), bias.astype(np.float32)


def _hue(angle: float) -> Array:
    """Colours turned about the axis of greys (Rodrigues' rotation), so that greys stay."""
    x, y, z = GREY_AXIS
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return np.asarray(turned.T)


def coloured(pixels: Pixels, matrix: Array, bias: Array) -> Array:
    """uint8 (H, W, 3) -> normalised float32 with the colour changed, in one product."""
    scaled = matrix / np.float32(PIXEL_SCALE)
    constant = bias - np.float32(PIXEL_MEAN) * scaled.sum(axis=0)
    flat = pixels.reshape(-1, 3).astype(np.float32) @ scaled
    flat += constant
    return flat.reshape(pixels.shape)
