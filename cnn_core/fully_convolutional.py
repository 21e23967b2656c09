"""A classifier of one window of fixed size, rewritten so that it sweeps signals of any size.

A dense layer over a whole window is a convolution whose kernel is that window (LeCun et al. 1998;
OverFeat, Sermanet et al. 2014): the same weights in another shape, the same score for the window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from cnn_core.errors import GeometryError
from cnn_core.layers import (
    Branches,
    Dense,
    Dropout,
    Flatten,
    GlobalMaxPool,
    GlobalMeanPool,
    Layer,
    LeakyRelu,
    MaxPool,
    MeanPool,
    Relu,
    Sequential,
    Sigmoid,
    Silu,
    Tanh,
)
from cnn_core.layers.patches import Sizes
from cnn_core.layers.scanning import CONVOLUTIONS

ELEMENTWISE = (Dropout, LeakyRelu, Relu, Sigmoid, Silu, Tanh)
"""Layers that look at one number at a time: flattened or not, they give the same."""


@dataclass(frozen=True)
class Field:
    """What the layers so far make of one window: places an axis and channels, or all of it flat."""

    lengths: Sizes
    channels: int
    flat: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """As the input of a layer."""
        if self.flat:
            return (1, prod(self.lengths) * self.channels)
        return (1, *self.lengths, self.channels)

    @property
    def point(self) -> Field:
        """One place an axis: what a window comes down to."""
        return Field((1,) * len(self.lengths), self.channels)


def fully_convolutional(net: Layer, window: Sizes, channels: int) -> Layer:
    """The network for signals of any size that gives for each window what `net` gives for it.

    `window` are the lengths of the input that `net` was made for: (N, *window, C) -> (N, D)
    becomes (N, *in, C) -> (N, *out, D). Zeros that layers pad stay at the signal's own border: of
    a network that pads, the score of the whole window is the same, and others see their
    neighbours instead of zeros. Raises GeometryError for a layer that only fits one size.
    """
    return _rewritten(net, Field(window, channels))[0]


def _rewritten(layer: Layer, field: Field) -> tuple[Layer, Field]:
    if isinstance(layer, Sequential):
        layers = []
        for each in layer.layers:
            each, field = _rewritten(each, field)
            layers.append(each)
        return Sequential(tuple(each for each in layers if each is not _NOTHING)), field
    if isinstance(layer, Branches):
        return _branched(layer, field)
    if isinstance(layer, Flatten):
        return _NOTHING, replace(field, flat=True)
    if isinstance(layer, Dense) and field.flat:
        return _dense(layer, field)
    if isinstance(layer, GlobalMaxPool | GlobalMeanPool):
        pool = MaxPool if isinstance(layer, GlobalMaxPool) else MeanPool
        ones = field.point
        return pool.create(field.lengths, stride=ones.lengths, axes=len(ones.lengths)), ones
    if field.flat and not isinstance(layer, ELEMENTWISE):
        raise GeometryError(
            f"fully_convolutional: got {layer} between Flatten and a dense layer; "
            "expected functions of single numbers there"
        )
    if field.flat:
        return layer, field
    _, *lengths, last = layer.output_shape(field.shape)
    return layer, Field(tuple(lengths), last)


_NOTHING = Sequential(())
"""What is left of `Flatten`."""


def _dense(layer: Dense, field: Field) -> tuple[Layer, Field]:
    """A convolution whose kernel is the field; of one place a dense layer works everywhere."""
    inputs, outputs = layer.weight.shape
    if inputs != field.shape[-1]:
        raise GeometryError(
            f"fully_convolutional: got a dense layer of {inputs} inputs behind {field.lengths} "
            f"places of {field.channels} channels; expected {field.shape[-1]}"
        )
    axes, after = len(field.lengths), replace(field.point, channels=outputs)
    if prod(field.lengths) == 1:
        return layer, after
    conv = CONVOLUTIONS[axes](
        weight=layer.weight.reshape(*field.lengths, field.channels, outputs),
        bias=layer.bias,
        stride=(1,) * axes,
        dilation=(1,) * axes,
        padding=((0, 0),) * axes,
    )
    return conv, after


def _branched(layer: Branches, field: Field) -> tuple[Layer, Field]:
    """Branches that come down to one place each see the same window: none loses an output."""
    rewritten = replace(layer, branches=tuple(_rewritten(b, field)[0] for b in layer.branches))
    _, *lengths, channels = layer.output_shape(field.shape)
    if lengths:
        return rewritten, Field(tuple(lengths), channels)
    point = replace(field.point, channels=channels)
    if all(not branch.windows for branch in rewritten.branches):
        return rewritten, point  # one place each already
    return replace(rewritten, drops=((0,) * len(point.lengths),) * len(layer.branches)), point
