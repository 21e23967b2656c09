"""Every window's score from one pass, at any output stride: the network rewritten, not repeated.

A layer of stride s looks at every place instead of every s-th, and the layers behind it look s
times further apart: convolutions by their dilation, every other layer on each phase of the
signal (`Dilated`). Giusti et al. 2013, "Fast image scanning with deep max-pooling convolutional
neural networks"; Li et al. 2014, "Highly efficient forward and backward propagation of
convolutional neural networks for pixelwise classification".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd
from operator import floordiv

from cnn_core.errors import GeometryError
from cnn_core.geometry import Window
from cnn_core.layers import Branches, Conv, Dilated, Downsample, Layer, Sequential
from cnn_core.layers.patches import Sizes, per_axis


@dataclass(frozen=True)
class Grid:
    """How far apart places lie, in inputs an axis: in the network as given, and as rewritten."""

    nominal: Sizes
    actual: Sizes

    @property
    def dilation(self) -> Sizes:
        return tuple(n // a for n, a in zip(self.nominal, self.actual, strict=True))


def dense(net: Layer, stride: int | Sizes = 1) -> Layer:
    """The network whose score j is `net`'s on the signal from input j * stride on.

    After each layer only those places remain that the output stride asks for: the multiples of
    gcd(stride, the layer's own stride so far). Layers must be swept by valid windows; zeros that
    convolutions pad stay at the signal's own border. A pointwise network has as many axes as
    strides are given. Raises GeometryError for others.
    """
    axes = len(net.windows) or (len(stride) if isinstance(stride, tuple) else 1)
    wanted, windows = per_axis(stride, axes, "dense: stride"), net.windows or (Window(),) * axes
    left = [Fraction(w) / window.step for w, window in zip(wanted, windows, strict=True)]
    if all(places.denominator == 1 for places in left):
        # The network gives these windows as it is, upsampling or not.
        return _thinned(net, tuple(map(int, left)))
    rewritten, grid = _rewritten(net, Grid((1,) * axes, (1,) * axes), wanted)
    return _thinned(rewritten, tuple(map(floordiv, wanted, grid.actual)))


def _rewritten(layer: Layer, grid: Grid, wanted: Sizes) -> tuple[Layer, Grid]:
    if isinstance(layer, Sequential):
        layers = []
        for each in layer.layers:
            each, grid = _rewritten(each, grid, wanted)
            layers.append(each)
        return Sequential(tuple(layers)), grid
    if isinstance(layer, Branches):
        return _branched(layer, grid, wanted)
    if not layer.windows:
        return layer, grid
    after = _after(layer, grid, wanted)
    stride = tuple(b // a for a, b in zip(grid.actual, after.actual, strict=True))
    return _spread(layer, stride, grid.dilation), after


def _branched(layer: Branches, grid: Grid, wanted: Sizes) -> tuple[Layer, Grid]:
    """Branches side by side lose as many first places as before, each now `dilation` apart."""
    branches, grids = zip(*(_rewritten(b, grid, wanted) for b in layer.branches), strict=True)
    dilation = grids[0].dilation
    drops = tuple(
        tuple(drop * d for drop, d in zip(lost, dilation, strict=True))
        for lost in layer.offsets(len(dilation))
    )
    return replace(layer, branches=branches, drops=drops), grids[0]


def _after(layer: Layer, grid: Grid, wanted: Sizes) -> Grid:
    """The grid of the layer's outputs."""
    if any(window.step != int(window.step) for window in layer.windows):
        raise GeometryError(
            f"dense: got {layer}, which gives several outputs for one place: what a window "
            f"scores depends on where it begins. Scan at a multiple of the network's own stride"
        )
    steps = [int(window.step) for window in layer.windows]
    nominal = tuple(n * step for n, step in zip(grid.nominal, steps, strict=True))
    return Grid(nominal, tuple(map(gcd, wanted, nominal)))


def _spread(layer: Layer, stride: Sizes, dilation: Sizes) -> Layer:
    """The layer with another stride, its places `dilation` times as far apart."""
    if isinstance(layer, Conv):
        return replace(
            layer,
            stride=stride,
            dilation=tuple(a * b for a, b in zip(layer.dilation, dilation, strict=True)),
            padding=tuple(
                (before * d, after * d)
                for (before, after), d in zip(layer.padding, dilation, strict=True)
            ),
        )
    if set(dilation) == {1}:
        return _strided(layer, stride)
    single = _strided(layer, (1,) * len(stride))
    return _thinned(Dilated(single, dilation), stride)


def _strided(layer: Layer, stride: Sizes) -> Layer:
    if tuple(window.step for window in layer.windows) == stride:
        return layer
    if isinstance(layer, Downsample):
        return Downsample(stride)
    if not hasattr(layer, "stride"):
        raise GeometryError(f"dense: {layer} has no stride that could be changed")
    return replace(layer, stride=stride)  # type: ignore[call-arg]


def _thinned(net: Layer, stride: Sizes) -> Layer:
    """Every stride-th output only."""
    if all(s == 1 for s in stride):
        return net
    layers = net.layers if isinstance(net, Sequential) else (net,)
    return Sequential((*layers, Downsample(stride)))
