"""DenseNet (Huang, Liu, van der Maaten and Weinberger 2017): each layer sees all before it."""

from __future__ import annotations

import numpy as np

from cnn_core.init import Initialiser, he
from cnn_core.layers import (
    BatchNorm,
    Concat,
    Dense,
    GlobalMeanPool,
    Identity,
    Layer,
    MaxPool,
    MeanPool,
    Relu,
    Sequential,
)
from cnn_core.networks.blocks import Draw, norm_relu, same, scaled

BLOCKS = (6, 12, 24, 16)
"""Dense layers of the four blocks of DenseNet-121."""


def densenet121(
    rng: np.random.Generator,
    classes: int = 1000,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, H, W, 3) -> logits (N, classes): 7,978,856 parameters. Published for 224 x 224.

    `width` scales the growth, the channels that each layer adds: 32 as published.
    """
    growth, conv = scaled(32, width), same(rng, initialiser)
    channels = 2 * growth
    layers: list[Layer] = [*norm_relu(conv, 3, channels, 7, stride=2)]
    layers.append(MaxPool.create(3, stride=2, padding=1, axes=2))
    for block, count in enumerate(BLOCKS):
        if block > 0:
            layers += _transition(conv, channels)
            channels //= 2
        for _ in range(count):
            layers.append(_dense_layer(conv, channels, growth))
            channels += growth
    layers += [BatchNorm.create(channels), Relu(), GlobalMeanPool()]
    layers.append(Dense.create(rng, channels, classes, initialiser=initialiser))
    return Sequential(tuple(layers))


def _dense_layer(conv: Draw, channels: int, growth: int) -> Layer:
    """The input beside `growth` new channels, seen through a bottleneck of 4 * growth."""
    new = (
        BatchNorm.create(channels), Relu(), conv(channels, 4 * growth, 1),
        BatchNorm.create(4 * growth), Relu(), conv(4 * growth, growth, 3),
    )  # fmt: skip
    return Concat((Identity(), Sequential(new)))


def _transition(conv: Draw, channels: int) -> tuple[Layer, ...]:
    """Half the channels at half the size."""
    compress = conv(channels, channels // 2, 1)
    return BatchNorm.create(channels), Relu(), compress, MeanPool.create(2, axes=2)
