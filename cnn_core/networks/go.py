"""A policy for the game of Go in the manner of AlphaGo's (Silver et al. 2016)."""

from __future__ import annotations

from functools import partial

import numpy as np

from cnn_core.init import Initialiser, he
from cnn_core.layers import Bias, Conv2d, Flatten, Layer, Relu, Sequential


def go_policy(
    rng: np.random.Generator,
    *,
    planes: int = 48,
    filters: int = 192,
    depth: int = 13,
    board: int = 19,
    initialiser: Initialiser = he,
) -> Sequential:
    """(N, board, board, planes) -> logits (N, board * board), row by row: 3,882,793 parameters.

    A 5 x 5 layer, then 3 x 3 layers, all padded to keep the board, then one 1 x 1 filter with a
    bias for each point ("Methods", "Neural network architecture"). The softmax over the points is
    the probability of each move; `depth` counts all convolutions.
    """
    conv = partial(Conv2d.create, rng, padding="same", initialiser=initialiser)
    hidden: list[Layer] = []
    for _ in range(depth - 2):
        hidden += [conv(filters, filters, 3), Relu()]
    layers = (
        conv(planes, filters, 5), Relu(),
        *hidden,
        conv(filters, 1, 1, bias=False),
        Flatten(),
        Bias.create(board * board),
    )  # fmt: skip
    return Sequential(layers)
