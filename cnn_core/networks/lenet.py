"""LeNet-5 (LeCun et al. 1998): digits."""

from __future__ import annotations

from functools import partial

import numpy as np

from cnn_core.init import Initialiser, glorot
from cnn_core.layers import Conv2d, Dense, Flatten, Layer, MeanPool, Sequential, Tanh
from cnn_core.networks.blocks import scaled


def lenet5(
    rng: np.random.Generator,
    classes: int = 10,
    *,
    width: float = 1.0,
    padding: int = 0,
    activation: Layer | None = None,
    initialiser: Initialiser = glorot,
) -> Sequential:
    """(N, 32, 32, 1) -> logits (N, classes): 61,706 parameters.

    With `padding` 2 it takes digits of 28 x 28 as they are. Pooling is a plain mean and the second
    convolution sees all channels, as in most later accounts; the paper learns a scale for each
    pooled map and leaves some connections out. The units are tanh's unless told otherwise.
    """
    c6, c16, c120, c84 = (scaled(channels, width) for channels in (6, 16, 120, 84))
    conv = partial(Conv2d.create, rng, initialiser=initialiser)
    dense = partial(Dense.create, rng, initialiser=initialiser)
    unit = Tanh() if activation is None else activation
    halve = MeanPool.create(2, axes=2)
    layers = (
        conv(1, c6, 5, padding=padding), unit, halve,  # 28 x 28 -> 14 x 14
        conv(c6, c16, 5), unit, halve,  # 10 x 10 -> 5 x 5
        Flatten(),
        dense(25 * c16, c120), unit,
        dense(c120, c84), unit,
        dense(c84, classes),
    )  # fmt: skip
    return Sequential(layers)
