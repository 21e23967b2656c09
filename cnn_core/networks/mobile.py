"""MobileNet (Howard et al. 2017): depth-wise separable convolutions throughout."""

from __future__ import annotations

import numpy as np

from cnn_core.init import Initialiser, he
from cnn_core.layers import BatchNorm, Dense, GlobalMeanPool, Layer, Relu, Sequential
from cnn_core.networks.blocks import Draw, norm_relu, same, scaled

TABLE_1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels out and stride of each separable convolution."""


def mobile(
    rng: np.random.Generator,
    classes: int = 1000,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, H, W, 3) -> logits (N, classes): 4,231,976 parameters. Published for 224 x 224.

    `width` is the paper's width multiplier.
    """
    conv = same(rng, initialiser)
    channels = scaled(32, width)
    layers: list[Layer] = [*norm_relu(conv, 3, channels, 3, stride=2)]
    for published, stride in TABLE_1:
        out = scaled(published, width)
        layers += _separable(conv, channels, out, stride)
        channels = out
    layers += [GlobalMeanPool(), Dense.create(rng, channels, classes, initialiser=initialiser)]
    return Sequential(tuple(layers))


def _separable(conv: Draw, channels_in: int, channels_out: int, stride: int) -> tuple[Layer, ...]:
    """3 x 3 within each channel, then 1 x 1 across them; a batch norm and a ReLU after each."""
    depthwise = conv(channels_in, channels_in, 3, stride=stride, groups=channels_in)
    return (
        depthwise, BatchNorm.create(channels_in), Relu(),
        *norm_relu(conv, channels_in, channels_out, 1),
    )  # fmt: skip
