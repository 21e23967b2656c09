"""Branches side by side: their outputs cut to where their windows are centred alike.

The cut is a constant wherever the branches' lengths differ by the same number for every input,
as around a residual block; else, as across a pyramid, the graph works it out as it runs.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, lcm

from cnn_core.layers import Concat, Layer, Sum
from cnn_core.onnx_export.graph import TO_THE_END, Graph, Sizes, Value

Offsets = list[list[int]]
"""For each branch a number an axis."""


def aligned(graph: Graph, layer: Sum | Concat, x: Sizes, outputs: list[Value]) -> list[str]:
    """The outputs of the layer's branches, which read an input of shape `x`, cut to one size."""
    axes = outputs[0].axes
    if axes == 0:
        return [y.name for y in outputs]
    drops: Offsets = [list(drop) for drop in layer.offsets(axes)]
    lengths = [size for size in x[1:-1] if size is not None]
    if len(lengths) == len(x) - 2 == axes:
        excess: Offsets | None = _excess(layer.branches, drops, tuple(lengths))
    else:
        excess = _steady_excess(layer, drops, axes)
    if excess is None:
        return _cut_to_shortest(graph, drops, outputs)
    places = list(range(2, axes + 2))
    return [
        graph.slice(y.name, drop, [-n if n else TO_THE_END for n in over], places)
        if any(drop) or any(over)
        else y.name
        for y, drop, over in zip(outputs, drops, excess, strict=True)
    ]


def _excess(branches: tuple[Layer, ...], drops: Offsets, lengths: tuple[int, ...]) -> Offsets:
    """How many last outputs each branch has beyond the shortest, for inputs of these lengths."""
    left = [
        [n - d for n, d in zip(branch.lengths(lengths), drop, strict=True)]
        for branch, drop in zip(branches, drops, strict=True)
    ]
    shortest = [min(axis) for axis in zip(*left, strict=True)]
    return [[n - m for n, m in zip(branch, shortest, strict=True)] for branch in left]


def _steady_excess(layer: Sum | Concat, drops: Offsets, axes: int) -> Offsets | None:
    """The excess that holds for inputs of any length; None where it depends on the length.

    Lengths repeat with the strides, so one period of them tells for all.
    """
    period = lcm(*layer.periods)
    windows = [window for branch in layer.branches for window in branch.windows]
    first = max((ceil(abs(Fraction(w.start)) + w.size) for w in windows), default=1)
    found = [_excess(layer.branches, drops, (first + n,) * axes) for n in range(period)]
    return found[0] if all(each == found[0] for each in found) else None


def _cut_to_shortest(graph: Graph, drops: Offsets, outputs: list[Value]) -> list[str]:
    starts = [graph.integers(*drop) for drop in drops]
    left = [
        graph.add("Sub", graph.add("Shape", y.name, start=2), start)
        for y, start in zip(outputs, starts, strict=True)
    ]
    shortest = graph.add("Min", *left)
    places = graph.integers(*range(2, outputs[0].axes + 2))
    return [
        graph.add("Slice", y.name, start, graph.add("Add", shortest, start), places)
        for y, start in zip(outputs, starts, strict=True)
    ]
