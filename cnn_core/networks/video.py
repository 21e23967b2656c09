"""Networks for video: convolution in time as well as in space."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from cnn_core.init import Initialiser, he
from cnn_core.layers import (
    BatchNorm,
    Conv3d,
    Dense,
    Dropout,
    Flatten,
    GlobalMeanPool,
    Layer,
    MaxPool,
    Relu,
    Sequential,
)
from cnn_core.networks.blocks import scaled

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))
"""Channels of C3D's convolutions; a maximum ends each stage."""


def c3d(
    rng: np.random.Generator,
    classes: int = 101,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """Clips (N, 16, 112, 112, 3) -> logits (N, classes): 78,409,573 parameters (Tran et al. 2015).

    3 x 3 x 3 convolutions; the first maximum leaves the frames alone.
    """
    dense = partial(Dense.create, rng, initialiser=initialiser)
    c512, c4096 = scaled(512, width), scaled(4096, width)
    layers = (
        *_c3d_stages(rng, width, initialiser),
        Flatten(),
        dense(16 * c512, c4096), Relu(), Dropout(0.5),
        dense(c4096, c4096), Relu(), Dropout(0.5),
        dense(c4096, classes),
    )  # fmt: skip
    return Sequential(layers)


def _c3d_stages(
    rng: np.random.Generator, width: float, initialiser: Initialiser
) -> Iterator[Layer]:
    pools = [MaxPool.create((1, 2, 2), axes=3)] + [MaxPool.create(2, axes=3)] * 3
    last = MaxPool.create(2, padding=((0, 0), (1, 1), (1, 1)), axes=3)
    channels = 3
    for stage, pool in zip(STAGES, (*pools, last), strict=True):
        for published in stage:
            out = scaled(published, width)
            yield Conv3d.create(rng, channels, out, 3, padding="same", initialiser=initialiser)
            yield Relu()
            channels = out
        yield pool


def video(
    rng: np.random.Generator,
    classes: int,
    *,
    channels_in: int = 3,
    widths: tuple[int, ...] = (16, 32, 64),
    initialiser: Initialiser = he,
) -> Sequential:
    """Clips of any size (N, T, H, W, channels_in) -> logits (N, classes): a small C3D.

    A stage for each of `widths`: a 3 x 3 x 3 convolution, batch norm and a maximum that halves
    rows and columns, and from the second stage on the frames. The mean over all places makes one
    answer of what is left.
    """
    layers: list[Layer] = []
    channels = channels_in
    for stage, out in enumerate(widths):
        layers.append(
            Conv3d.create(
                rng, channels, out, 3, padding="same", bias=False, initialiser=initialiser
            )
        )
        halve = (2, 2, 2) if stage else (1, 2, 2)
        layers += [BatchNorm.create(out), Relu(), MaxPool.create(halve, axes=3)]
        channels = out
    layers += [GlobalMeanPool(), Dense.create(rng, channels, classes, initialiser=initialiser)]
    return Sequential(tuple(layers))
