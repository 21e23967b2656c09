"""Depth-wise separable convolution: first within each channel, then across the channels."""

from __future__ import annotations

import numpy as np

from cnn_core.init import Initialiser, he
from cnn_core.layers.compose import Sequential
from cnn_core.layers.conv import Conv2d
from cnn_core.layers.patches import Padding, Sizes


def depthwise_separable(
    rng: np.random.Generator,
    channels_in: int,
    channels_out: int,
    kernel: int | Sizes,
    *,
    stride: int | Sizes = 1,
    padding: str | int | Padding = "valid",
    bias: bool = False,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, H, W, C) -> (N, H', W', D): one filter for each channel, then a 1 x 1 convolution.

    With M channels in, N out and a K x K kernel these are M K^2 + N M weights where the whole
    convolution has N M K^2 (Sifre 2014, Howard et al. 2017).
    """
    depthwise = Conv2d.create(
        rng,
        channels_in,
        channels_in,
        kernel,
        stride=stride,
        padding=padding,
        groups=channels_in,
        bias=bias,
        initialiser=initialiser,
    )
    pointwise = Conv2d.create(rng, channels_in, channels_out, 1, bias=bias, initialiser=initialiser)
    return Sequential((depthwise, pointwise))
