"""Each kind of layer at the sizes where the two detectors, and small networks, use it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cnn_core import networks
from cnn_core.layers import (
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    Downsample,
    Embedding,
    GlobalMaxPool,
    GlobalMeanPool,
    Identity,
    Layer,
    LeakyRelu,
    LocallyConnected2d,
    LocalResponseNorm,
    LogSoftmax,
    MaxPool,
    MeanPool,
    NetworkPool,
    NormPool,
    Relu,
    ScanningMlp,
    Sigmoid,
    Silu,
    Softmax,
    Sum,
    SumPool,
    Tanh,
    Upsample,
    UpsampleBilinear,
    UpsampleZeros,
)  # fmt: skip

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
    """Pools, activations, normalisation, dense layers, resizing, words, branches."""
    rng = np.random.default_rng(0)
    for name, layer in (
        ("MaxPool 2x2", MaxPool.create(2, axes=2)),
        ("MaxPool 3x3 s2", MaxPool.create(3, stride=2, axes=2)),
        ("MeanPool 2x2", MeanPool.create(2, axes=2)),
        ("SumPool 2x2", SumPool.create(2, axes=2)),
        ("NormPool 2x2 p3", NormPool.create(2, 3.0, axes=2)),
        ("NetworkPool 2x2", NetworkPool.create(Dense.create(rng, 4, 1), 2, axes=2)),
        ("GlobalMaxPool", GlobalMaxPool()),
        ("GlobalMeanPool", GlobalMeanPool()),
        ("Downsample /2", Downsample.create(2)),
        ("Upsample x2", Upsample.create(2)),
        ("UpsampleZeros x2", UpsampleZeros.create(2)),
        ("UpsampleBilinear x2", UpsampleBilinear.create(2)),
        ("BatchNorm", BatchNorm.create(MAP[-1])),
        ("LocalResponseNorm", LocalResponseNorm()),
        ("Relu", Relu()),
        ("LeakyRelu", LeakyRelu()),
        ("Tanh", Tanh()),
        ("Sigmoid", Sigmoid()),
        ("Silu", Silu()),
        ("Softmax", Softmax()),
        ("LogSoftmax", LogSoftmax()),
        ("Concat of two", Concat((Identity(), Relu()))),
        ("Sum of two", Sum((Identity(), Relu()))),
    ):
        yield name, layer, MAP
    yield "MaxPool 3 s1 over time", MaxPool.create(3, stride=1), (1, 1000, 128)
    yield "LocallyConnected2d", LocallyConnected2d.create(rng, 20, 32, 32, 3), (1, 20, 20, 32)
    yield "ScanningMlp", ScanningMlp.create(rng, (40, 64, 32, 1), 24, block=4), (1, 331, 40)
    yield "Dense(256 -> 512), 32 rows", Dense.create(rng, 256, 512), VECTORS
    yield "Embedding(5000 words -> 128)", Embedding.create(rng, 5000, 128), (16, 60)


def small_networks() -> Iterator[Sized]:
    """The named networks as they would be trained here: narrow, or for small inputs."""
    rng = np.random.default_rng(0)
    yield "lenet5, 32 digits", networks.lenet5(rng), (32, 32, 32, 1)
    for name, build, shape in (
        ("network in network", networks.network_in_network, (8, 32, 32, 3)),
        ("resnet18", networks.resnet18, (4, 64, 64, 3)),
        ("densenet121", networks.densenet121, (2, 64, 64, 3)),
        ("mobile", networks.mobile, (4, 96, 96, 3)),
    ):
        yield f"{name}, width 1/4", build(rng, width=0.25), shape
    yield "go policy, 4 layers of 48", networks.go_policy(rng, filters=48, depth=4), (4, 19, 19, 48)
    yield "sentence classifier", networks.sentence_classifier(rng, 2000), (16, 40)
    yield "video", networks.video(rng, 4), (2, 8, 24, 24, 3)


def sized() -> Iterator[Sized]:
    """(name, layer, input shape) of everything here; names tell kernel, stride and settings."""
    yield from convolutions()
    yield from others()
    yield from small_networks()
