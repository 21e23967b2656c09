"""What several families are made of: convolution, batch norm and ReLU as one; widths to scale."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

import numpy as np

from cnn_core.errors import GeometryError
from cnn_core.init import Initialiser
from cnn_core.layers import BatchNorm, Conv2d, Layer, Relu

Draw = Callable[..., Conv2d]
"""(channels in, channels out, kernel, **settings) -> a convolution with its first weights."""


def scaled(channels: int, width: float) -> int:
    """The channels of a network `width` times as wide as published, at least 1.

    Raises GeometryError for a width that is no number above 0.
    """
    if not 0 < width < inf:
        raise GeometryError(f"width: got {width}; expected a number above 0, 1 as published")
    return max(1, round(channels * width))


def same(rng: np.random.Generator, initialiser: Initialiser) -> Draw:
    """Draws convolutions that keep the size at stride 1, without the bias that a norm replaces."""
    return partial(Conv2d.create, rng, padding="same", bias=False, initialiser=initialiser)


def norm(
    conv: Draw, channels_in: int, channels_out: int, kernel: int, stride: int = 1
) -> tuple[Layer, ...]:
    """Convolution, batch norm."""
    return conv(channels_in, channels_out, kernel, stride=stride), BatchNorm.create(channels_out)


def norm_relu(
    conv: Draw, channels_in: int, channels_out: int, kernel: int, stride: int = 1
) -> tuple[Layer, ...]:
    """Convolution, batch norm, ReLU."""
    return *norm(conv, channels_in, channels_out, kernel, stride), Relu()
