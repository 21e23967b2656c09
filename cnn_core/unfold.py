"""The other way round from `fold`: a network for inference gets its batch norms back, to learn on.

Outputs stay equal in inference; mean and variance are measured on data, so that training, which
takes the batch's own, begins where inference is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from cnn_core.arrays import Array
from cnn_core.batch_statistics import recompute
from cnn_core.errors import ShapeError
from cnn_core.layers import BatchNorm, Branches, Conv, Dense, Layer, Sequential


def unfold(folded: Layer, like: Layer, batches: Iterable[Array]) -> Layer:
    """A network of the structure of `like` that computes what `folded` does.

    `folded` is what `fold` makes of such a network; `batches` of inputs (N, *in, C) are what the
    statistics are measured on. Raises ShapeError where the two do not fit together.
    """
    given = _weighted(folded)
    net = _filled(like, given)
    if next(given, None) is not None:
        raise ShapeError("unfold: got more weights than the network to fill has")
    return recompute(net, batches, keep=True)


def _weighted(net: Layer) -> Iterator[Conv | Dense]:
    """Convolutions and dense layers, in order."""
    if isinstance(net, Conv | Dense):
        yield net
    elif isinstance(net, Sequential):
        for layer in net.layers:
            yield from _weighted(layer)
    elif isinstance(net, Branches):
        for branch in net.branches:
            yield from _weighted(branch)


def _filled(net: Layer, given: Iterator[Conv | Dense]) -> Layer:
    if isinstance(net, Branches):
        return replace(net, branches=tuple(_filled(branch, given) for branch in net.branches))
    if isinstance(net, Conv | Dense):
        return _with_weights(net, _next(given), net.bias is not None)
    if not isinstance(net, Sequential):
        return net
    layers: list[Layer] = []
    for layer in net.layers:
        if isinstance(layer, BatchNorm) and layers and isinstance(layers[-1], Conv | Dense):
            layers[-1], layer = _parted(layers[-1], layer)
        elif isinstance(layer, Conv | Dense):
            # Its bias waits for the batch norm that may follow.
            layer = _with_weights(layer, _next(given), bias=True)
        else:
            layer = _filled(layer, given)
        layers.append(layer)
    return Sequential(tuple(layers))


def _next(given: Iterator[Conv | Dense]) -> Conv | Dense:
    found = next(given, None)
    if found is None:
        raise ShapeError("unfold: got fewer weights than the network to fill has")
    return found


def _with_weights(layer: Conv | Dense, given: Conv | Dense, bias: bool) -> Conv | Dense:
    if type(layer) is not type(given) or layer.weight.shape != given.weight.shape:
        raise ShapeError(
            f"unfold: got weights of shape {given.weight.shape}; expected {layer.weight.shape}"
        )
    return replace(layer, weight=given.weight, bias=given.bias if bias else None)


def _parted(layer: Conv | Dense, norm: BatchNorm) -> tuple[Conv | Dense, BatchNorm]:
    """The layer without its bias, which is the batch norm's shift."""
    channels = len(norm.scale)
    shift = np.zeros(channels, np.float32) if layer.bias is None else layer.bias
    plain = replace(
        norm,
        scale=np.ones(channels, np.float32),
        shift=shift,
        mean=np.zeros(channels, np.float32),
        variance=np.full(channels, 1 - norm.epsilon, np.float32),
    )
    return replace(layer, bias=None), plain
