"""AlexNet (Krizhevsky, Sutskever and Hinton 2012), in one tower."""

from __future__ import annotations

from functools import partial

import numpy as np

from cnn_core.init import Initialiser, he
from cnn_core.layers import (
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LocalResponseNorm,
    MaxPool,
    Relu,
    Sequential,
)
from cnn_core.networks.blocks import scaled


def alexnet(
    rng: np.random.Generator,
    classes: int = 1000,
    *,
    width: float = 1.0,
    normalise: bool = True,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, 227, 227, 3) -> logits (N, classes): 62,378,344 parameters.

    The paper splits the channels over two graphics cards; here they are one tower, without groups.
    `normalise` puts local response normalisation where the paper has it.
    """
    c96, c256, c384, c4096 = (scaled(channels, width) for channels in (96, 256, 384, 4096))
    conv = partial(Conv2d.create, rng, initialiser=initialiser)
    dense = partial(Dense.create, rng, initialiser=initialiser)
    norm: tuple[Layer, ...] = (LocalResponseNorm(),) if normalise else ()
    pool = MaxPool.create(3, stride=2, axes=2)
    layers = (
        conv(3, c96, 11, stride=4), Relu(), *norm, pool,  # 55 x 55 -> 27 x 27
        conv(c96, c256, 5, padding=2), Relu(), *norm, pool,  # 27 x 27 -> 13 x 13
        conv(c256, c384, 3, padding=1), Relu(),
        conv(c384, c384, 3, padding=1), Relu(),
        conv(c384, c256, 3, padding=1), Relu(), pool,  # 13 x 13 -> 6 x 6
        Flatten(),
        Dropout(0.5), dense(36 * c256, c4096), Relu(),
        Dropout(0.5), dense(c4096, c4096), Relu(),
        dense(c4096, classes),
    )  # fmt: skip
    return Sequential(layers)
