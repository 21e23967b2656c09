"""The detector's network: five strides down, two steps up, one map of scores and boxes at stride 8.

A feature pyramid (Lin et al. 2017) read at its finest level; residual blocks as He et al. 2016.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cnn_core.layers import (
    BatchNorm,
    Conv2d,
    Identity,
    Layer,
    Relu,
    Sequential,
    Sum,
    Upsample,
)

from .layout import PLAIN, PRESENCE, Layout

FIRST_SCORE_LOGIT = -4.0
TOTAL_STRIDE_PX = 32


def flower_net(
    rng: np.random.Generator,
    widths: tuple[int, int, int, int, int] = (16, 32, 64, 96, 128),
    pyramid: int = 64,
    species: int = 5,
    layout: Layout = PLAIN,
) -> Sequential:
    """(N, H, W, 3) -> (N, H/8, W/8, channels + species): the channels of `layout`, then species.

    H and W are multiples of 32. `widths` are the channels at strides 2, 4, 8, 16 and 32.
    """
    w2, w4, w8, w16, w32 = widths
    at_32 = (*_conv(rng, w16, w32, stride=2), *_residual(rng, w32))
    coarse = (*at_32, *_conv(rng, w32, pyramid, kernel=1, relu=False), Upsample.create(2))
    at_16 = (*_conv(rng, w8, w16, stride=2), *_residual(rng, w16))
    middle = (
        *at_16,
        Sum((Sequential(_conv(rng, w16, pyramid, kernel=1, relu=False)), Sequential(coarse))),
        Relu(),
        *_conv(rng, pyramid, pyramid),
        Upsample.create(2),
    )
    return Sequential(
        (
            *_conv(rng, 3, w2, stride=2),
            *_conv(rng, w2, w4, stride=2),
            *_conv(rng, w4, w8, stride=2),
            *_residual(rng, w8),
            Sum((Sequential(_conv(rng, w8, pyramid, kernel=1, relu=False)), Sequential(middle))),
            Relu(),
            *_conv(rng, pyramid, pyramid),
            *_conv(rng, pyramid, pyramid),
            _answers(rng, pyramid, species, layout),
        )
    )


def _conv(
    rng: np.random.Generator,
    channels_in: int,
    channels_out: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    relu: bool = True,
    scale: float = 1.0,
) -> tuple[Layer, ...]:
    conv = Conv2d.create(
        rng, channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=False
    )
    norm = BatchNorm.create(channels_out, scale=scale)
    return (conv, norm, Relu()) if relu else (conv, norm)


def _residual(rng: np.random.Generator, channels: int) -> tuple[Layer, ...]:
    """x + conv(conv(x)), ReLU; its second normalisation starts at 0: a silent block."""
    inner = _conv(rng, channels, channels) + _conv(rng, channels, channels, relu=False, scale=0.0)
    return Sum((Identity(), Sequential(inner))), Relu()


def _answers(rng: np.random.Generator, channels: int, species: int, layout: Layout) -> Conv2d:
    """1x1: small weights, and a bias that says "hardly ever" so that the first steps are calm."""
    conv = Conv2d.create(rng, channels, layout.channels + species, 1)
    weight = rng.normal(0.0, 0.01, conv.weight.shape).astype(np.float32)
    bias = np.zeros(layout.channels + species, np.float32)
    if layout.shape != PRESENCE:
        bias[layout.scores] = FIRST_SCORE_LOGIT
    return replace(conv, weight=weight, bias=bias)


def without_species(net: Sequential, layout: Layout = PLAIN) -> Sequential:
    """The network that is shipped: the answers that only training needs are cut off."""
    last, kept = net.layers[-1], layout.channels
    if not isinstance(last, Conv2d) or last.bias is None:
        raise TypeError(f"network: its last layer is {last}; expected a convolution with bias")
    answers = replace(last, weight=last.weight[..., :kept], bias=last.bias[:kept])
    return Sequential((*net.layers[:-1], answers))
