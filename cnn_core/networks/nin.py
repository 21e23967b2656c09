"""Network in Network (Lin, Chen and Yan 2014): a small dense network at every place."""

from __future__ import annotations

from functools import partial

import numpy as np

from cnn_core.init import Initialiser, he
from cnn_core.layers import Conv2d, Dropout, GlobalMeanPool, MaxPool, MeanPool, Relu, Sequential
from cnn_core.networks.blocks import scaled

AT_THE_END = ((0, 1), (0, 1))
"""The authors' software lets the last pooled block run over the border."""


def network_in_network(
    rng: np.random.Generator,
    classes: int = 10,
    *,
    width: float = 1.0,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, 32, 32, 3) -> logits (N, classes): 966,986 parameters, the network for CIFAR-10.

    A 1 x 1 convolution is a dense layer at every place; the last ones give a map for each class,
    and its mean is the class's logit. Pictures of other sizes are taken too.
    """
    c192, c160, c96 = (scaled(channels, width) for channels in (192, 160, 96))
    conv = partial(Conv2d.create, rng, initialiser=initialiser)
    layers = (
        conv(3, c192, 5, padding=2), Relu(),
        conv(c192, c160, 1), Relu(),
        conv(c160, c96, 1), Relu(),
        MaxPool.create(3, stride=2, padding=AT_THE_END, axes=2), Dropout(0.5),  # 32 x 32 -> 16 x 16
        conv(c96, c192, 5, padding=2), Relu(),
        conv(c192, c192, 1), Relu(),
        conv(c192, c192, 1), Relu(),
        MeanPool.create(3, stride=2, padding=AT_THE_END, axes=2), Dropout(0.5),  # 16 x 16 -> 8 x 8
        conv(c192, c192, 3, padding=1), Relu(),
        conv(c192, c192, 1), Relu(),
        conv(c192, classes, 1), Relu(),
        GlobalMeanPool(),
    )  # fmt: skip
    return Sequential(layers)
