"""Batch norm folded into the layer before it: the same outputs from fewer layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from cnn_core.layers import BatchNorm, Branches, Conv, Dense, Dropout, Identity, Layer, Sequential


def fold(net: Layer) -> Layer:
    """The network for inference: a convolution or dense layer and the batch norm after it are one.

    w' = w * factor, b' = b * factor + offset with the batch norm's y = factor * x + offset, of
    any number of axes and groups, and in every branch. What does nothing in inference is left
    out. Outputs are equal in real arithmetic; running statistics and training behaviour are gone.
    """
    if isinstance(net, Branches):
        return replace(net, branches=tuple(fold(branch) for branch in net.branches))
    if not isinstance(net, Sequential):
        return net
    layers: list[Layer] = []
    for layer in _unnested(net.layers):
        if isinstance(layer, BatchNorm) and layers and isinstance(layers[-1], Conv | Dense):
            layers[-1] = _joined(layers[-1], layer)
        elif not isinstance(layer, Identity | Dropout):
            layers.append(fold(layer))
    return Sequential(tuple(layers))


def _unnested(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Layers in order, those of nested sequences too: a batch norm may follow one from outside."""
    for layer in layers:
        if isinstance(layer, Sequential):
            yield from _unnested(layer.layers)
        else:
            yield layer


def _joined(layer: Conv | Dense, norm: BatchNorm) -> Conv | Dense:
    factor, offset = norm.affine()
    bias = np.zeros_like(offset) if layer.bias is None else layer.bias
    return replace(layer, weight=layer.weight * factor, bias=bias * factor + offset)
