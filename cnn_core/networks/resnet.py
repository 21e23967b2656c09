"""Residual networks (He, Zhang, Ren and Sun 2016): each block learns what to add to its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cnn_core.init import Initialiser, he
from cnn_core.layers import Dense, GlobalMeanPool, Identity, Layer, MaxPool, Relu, Sequential, Sum
from cnn_core.networks.blocks import Draw, norm, norm_relu, same, scaled

Branch = Callable[[Draw, int, int, int], tuple[Layer, ...]]
"""(conv, channels in, channels of the stage, stride) -> what a block adds to its input."""

CHANNELS = (64, 128, 256, 512)
"""Of the four stages; each but the first begins with a stride of 2."""


def resnet18(
    rng: np.random.Generator,
    classes: int = 1000,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, H, W, 3) -> logits (N, classes): 11,689,512 parameters. Published for 224 x 224."""
    return _resnet(rng, basic, (2, 2, 2, 2), classes, width, initialiser)


def resnet34(
    rng: np.random.Generator,
    classes: int = 1000,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, H, W, 3) -> logits (N, classes): 21,797,672 parameters. Published for 224 x 224."""
    return _resnet(rng, basic, (3, 4, 6, 3), classes, width, initialiser)


def resnet50(
    rng: np.random.Generator,
    classes: int = 1000,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, H, W, 3) -> logits (N, classes): 25,557,032 parameters. Published for 224 x 224."""
    return _resnet(rng, bottleneck, (3, 4, 6, 3), classes, width, initialiser)


def resnet152(
    rng: np.random.Generator,
    classes: int = 1000,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, H, W, 3) -> logits (N, classes): 60,192,808 parameters. Published for 224 x 224."""
    return _resnet(rng, bottleneck, (3, 8, 36, 3), classes, width, initialiser)


def _resnet(
    rng: np.random.Generator,
    branch: Branch,
    blocks: tuple[int, ...],
    classes: int,
    width: float,
    initialiser: Initialiser,
) -> Sequential:
    conv = same(rng, initialiser)
    widths = [scaled(channels, width) for channels in CHANNELS]
    layers = (
        *norm_relu(conv, 3, widths[0], 7, stride=2),
        MaxPool.create(3, stride=2, padding=1, axes=2),
        *_stages(conv, branch, blocks, widths),
        GlobalMeanPool(),
        Dense.create(rng, EXPANSION[branch] * widths[-1], classes, initialiser=initialiser),
    )
    return Sequential(layers)


def _stages(
    conv: Draw, branch: Branch, blocks: tuple[int, ...], widths: list[int]
) -> Iterator[Layer]:
    channels_in = widths[0]
    for stage, (count, channels) in enumerate(zip(blocks, widths, strict=True)):
        channels_out = EXPANSION[branch] * channels
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            added = Sequential(branch(conv, channels_in, channels, stride))
            yield Sum((_skip(conv, channels_in, channels_out, stride), added))
            yield Relu()
            channels_in = channels_out


def _skip(conv: Draw, channels_in: int, channels_out: int, stride: int) -> Layer:
    """The input; through a 1 x 1 convolution where its size changes (option B of the paper)."""
    if stride == 1 and channels_in == channels_out:
        return Identity()
    return Sequential(norm(conv, channels_in, channels_out, 1, stride))


def basic(conv: Draw, channels_in: int, channels: int, stride: int) -> tuple[Layer, ...]:
    """Two 3 x 3 convolutions."""
    return (
        *norm_relu(conv, channels_in, channels, 3, stride),
        *norm(conv, channels, channels, 3),
    )


def bottleneck(conv: Draw, channels_in: int, channels: int, stride: int) -> tuple[Layer, ...]:
    """1 x 1 to fewer channels, 3 x 3, 1 x 1 to four times as many.

    The stride is the 3 x 3's, as in most later accounts (Goyal et al. 2017, section 5.1: 4.1 G
    multiply-adds for ResNet-50); the paper's is the first 1 x 1's (3.8 G).
    """
    return (
        *norm_relu(conv, channels_in, channels, 1),
        *norm_relu(conv, channels, channels, 3, stride),
        *norm(conv, channels, 4 * channels, 1),
    )


EXPANSION: dict[Branch, int] = {basic: 1, bottleneck: 4}
"""How many times the channels of its stage a branch gives."""
