"""Where to cut a signal or picture so that the scores of the pieces are those of the whole.

A tile gives a block of scores. It is cut with its halo, the receptive field of that block, and
begins at a multiple of the network's period, so that every layer inside sees its own places.
Scores whose window lies within the cut are then the whole's; zeros that a padding network adds
reach other scores only, except at the signal's own border, where they belong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

from cnn_core.errors import GeometryError
from cnn_core.geometry import Window
from cnn_core.layers import Layer

Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Tile:
    """Scores `outputs` of the whole: those at `inner` of the network on the inputs `inputs`."""

    outputs: Slices
    inputs: Slices
    inner: Slices


@dataclass(frozen=True)
class Tiling:
    """The tiles of one signal, an axis each; together they give every score once."""

    axes: tuple[tuple[tuple[slice, slice, slice], ...], ...]

    def __len__(self) -> int:
        return prod(map(len, self.axes))

    def __iter__(self) -> Iterator[Tile]:
        for pieces in product(*self.axes):
            yield Tile(*zip(*pieces, strict=True))


def tiling(net: Layer, lengths: tuple[int, ...], size: int | tuple[int, ...]) -> Tiling:
    """Tiles of about `size` inputs, halo left out, over a signal of these lengths."""
    sizes = (size,) * len(lengths) if isinstance(size, int) else size
    if len(sizes) != len(lengths) or min(sizes) < 1:
        raise GeometryError(f"tiles: got {size}; expected {len(lengths)} sizes >= 1, or one")
    windows = net.windows or (Window(),) * len(lengths)
    periods = net.periods or (1,) * len(lengths)
    axes = zip(windows, periods, net.lengths(lengths), lengths, sizes, strict=True)
    return Tiling(tuple(tuple(_pieces(*axis)) for axis in axes))


def _pieces(
    window: Window, period: int, outputs: int, length: int, size: int
) -> Iterator[tuple[slice, slice, slice]]:
    """Cuts along one axis: scores of the whole, inputs, scores of the cut."""
    block = max(1, int(size / window.step))
    for first in range(0, outputs, block):
        past = min(outputs, first + block)
        # At least one period of inputs, where windows lie in the padding before or behind them.
        begin = max(0, min(window.span(first)[0], length - 1)) // period * period
        end = begin + max(1, -(-(window.span(past - 1)[1] - begin) // period)) * period
        before = int(begin / window.step)
        yield (
            slice(first, past),
            slice(begin, min(length, end)),
            slice(first - before, past - before),
        )
