"""VGG (Simonyan and Zisserman 2015): 3 x 3 convolutions only, deeper and deeper."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from cnn_core.init import Initialiser, he
from cnn_core.layers import Conv2d, Dense, Dropout, Flatten, Layer, MaxPool, Relu, Sequential
from cnn_core.networks.blocks import scaled

CHANNELS = (64, 128, 256, 512, 512)
"""Of the five stages; a 2 x 2 maximum ends each."""


def vgg16(
    rng: np.random.Generator,
    classes: int = 1000,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, 224, 224, 3) -> logits (N, classes): 138,357,544 parameters (configuration D)."""
    return _vgg(rng, (2, 2, 3, 3, 3), classes, width, initialiser)


def vgg19(
    rng: np.random.Generator,
    classes: int = 1000,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, 224, 224, 3) -> logits (N, classes): 143,667,240 parameters (configuration E)."""
    return _vgg(rng, (2, 2, 4, 4, 4), classes, width, initialiser)


def _vgg(
    rng: np.random.Generator,
    convolutions: tuple[int, ...],
    classes: int,
    width: float,
    initialiser: Initialiser,
) -> Sequential:
    dense = partial(Dense.create, rng, initialiser=initialiser)
    c512, c4096 = scaled(512, width), scaled(4096, width)
    layers = (
        *_stages(rng, convolutions, width, initialiser),
        Flatten(),
        dense(49 * c512, c4096), Relu(), Dropout(0.5),
        dense(c4096, c4096), Relu(), Dropout(0.5),
        dense(c4096, classes),
    )  # fmt: skip
    return Sequential(layers)


def _stages(
    rng: np.random.Generator, convolutions: tuple[int, ...], width: float, initialiser: Initialiser
) -> Iterator[Layer]:
    channels = 3
    for count, published in zip(convolutions, CHANNELS, strict=True):
        for _ in range(count):
            out = scaled(published, width)
            yield Conv2d.create(rng, channels, out, 3, padding=1, initialiser=initialiser)
            yield Relu()
            channels = out
        yield MaxPool.create(2, axes=2)
