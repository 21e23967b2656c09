"""Each kind of layer at the sizes where the two detectors, and small networks, use it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cnn_core.layers import (
    BatchNorm,
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    Layer,
    MaxPool,
    MeanPool,
    Relu,
    Sigmoid,
    Softmax,
    Upsample,
)

Sized = tuple[str, Layer, tuple[int, ...]]
SPOTTER_10_S = (
    (40, 128, 5, 1, 1, 1000),
    (128, 160, 5, 3, 1, 996),
    (160, 160, 3, 1, 1, 331),
    (160, 160, 3, 1, 3, 319),
    (48, 48, 3, 1, 8, 299),
    (160, 48, 1, 1, 1, 313),
)
"""Channels in and out, kernel, stride, dilation, frames: the spotter's convolutions."""
FLOWER_320 = (
    (3, 16, 3, 2, 320),
    (16, 32, 3, 2, 160),
    (32, 64, 3, 2, 80),
    (64, 64, 3, 1, 40),
    (96, 96, 3, 1, 20),
    (128, 128, 3, 1, 10),
    (64, 64, 1, 1, 40),
)
"""Channels in and out, kernel, stride, side: the flower network's convolutions."""
MAP, VECTORS = (1, 80, 80, 32), (32, 256)


def convolutions() -> Iterator[Sized]:
    """In one, two and three dimensions, plain and depth-wise."""
    rng = np.random.default_rng(0)
    for c, d, kernel, stride, dilation, frames in SPOTTER_10_S:
        layer: Layer = Conv1d.create(rng, c, d, kernel, stride=stride, dilation=dilation)
        yield f"spotter {layer} s{stride} d{dilation}", layer, (1, frames, c)
    for c, d, kernel, stride, side in FLOWER_320:
        layer = Conv2d.create(rng, c, d, kernel, stride=stride, padding="same")
        yield f"flower {layer} s{stride}", layer, (1, side, side, c)
    for layer, shape in (
        (Conv1d.create(rng, 160, 160, 9, groups=160), (1, 331, 160)),
        (Conv2d.create(rng, 64, 64, 3, groups=64, padding="same"), (1, 40, 40, 64)),
        (Conv2d.create(rng, 64, 64, 3, groups=4, padding="same"), (1, 40, 40, 64)),
        (Conv3d.create(rng, 8, 16, 3, padding="same"), (1, 8, 32, 32, 8)),
    ):
        yield str(layer), layer, shape


def others() -> Iterator[Sized]:
    """Pools, activations, normalisation, dense layers, resizing."""
    rng = np.random.default_rng(0)
    for name, layer in (
        ("MaxPool 2x2", MaxPool.create(2, axes=2)),
        ("MaxPool 3x3 s2", MaxPool.create(3, stride=2, axes=2)),
        ("MeanPool 2x2", MeanPool.create(2, axes=2)),
        ("Upsample x2", Upsample.create(2)),
        ("BatchNorm", BatchNorm.create(MAP[-1])),
        ("Relu", Relu()),
        ("Sigmoid", Sigmoid()),
        ("Softmax", Softmax()),
    ):
        yield name, layer, MAP
    yield "MaxPool 3 s1 over time", MaxPool.create(3, stride=1), (1, 1000, 128)
    yield "Dense(256 -> 512), 32 rows", Dense.create(rng, 256, 512), VECTORS


def sized() -> Iterator[Sized]:
    """(name, layer, input shape) of everything here; names tell kernel, stride and settings."""
    yield from convolutions()
    yield from others()
