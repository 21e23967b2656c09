"""Batch norm folded into the convolution before it: the same outputs from fewer layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cnn_core.layers import BatchNorm, Conv, Dropout, Identity, Layer, Sequential, Sum


def fold(net: Layer) -> Layer:
    """The network for inference: a convolution and the batch norm after it become one convolution.

    w' = w * factor, b' = b * factor + offset with the batch norm's y = factor * x + offset.
    Outputs are equal in real arithmetic; running statistics and training behaviour are gone.
    """
    if isinstance(net, Sum):
        return Sum(tuple(fold(branch) for branch in net.branches))
    if not isinstance(net, Sequential):
        return net
    layers: list[Layer] = []
    for layer in net.layers:
        if isinstance(layer, BatchNorm) and layers and isinstance(layers[-1], Conv):
            layers[-1] = _joined(layers[-1], layer)
        elif not isinstance(layer, Identity | Dropout):
            layers.append(fold(layer))
    return Sequential(tuple(layers))


def _joined(conv: Conv, norm: BatchNorm) -> Conv:
    factor, offset = norm.affine()
    bias = np.zeros_like(offset) if conv.bias is None else conv.bias
    return replace(conv, weight=conv.weight * factor, bias=bias * factor + offset)
