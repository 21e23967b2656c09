"""Layers without an operator of their own: windows become an axis of places, then arithmetic."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from cnn_core.layers import (
    LocallyConnected1d,
    LocallyConnected2d,
    MedianPool,
    NetworkPool,
    NormPool,
)
from cnn_core.layers.locally_connected import LocallyConnected
from cnn_core.layers.patches import Padding, Sizes
from cnn_core.onnx_export.graph import TO_THE_END, Graph, Value
from cnn_core.onnx_export.write import shape_after, write

TINY = 1e-30


def unfolded(graph: Graph, x: str, kernel: Sizes, stride: Sizes, padding: Padding = ()) -> str:
    """Every window: (N, C, *in) -> (N, C, *out, places of the kernel), padded with zeros."""
    if any(before or after for before, after in padding):
        befores, afters = zip(*padding, strict=True)
        sides = graph.integers(0, 0, *befores, 0, 0, *afters)
        x = graph.add("Pad", x, sides, graph.number(0.0), mode="constant")
    steps, axes = list(stride), list(range(2, len(kernel) + 2))
    last = graph.integers(len(kernel) + 2)
    views = []
    for place in product(*map(range, kernel)):
        ends = [k + 1 - size or TO_THE_END for k, size in zip(place, kernel, strict=True)]
        views.append(graph.add("Unsqueeze", graph.slice(x, list(place), ends, axes, steps), last))
    return graph.add("Concat", *views, axis=len(kernel) + 2)


@write.register
def _(layer: MedianPool, graph: Graph, x: Value) -> Value:
    windows = unfolded(graph, x.name, layer.kernel, layer.stride)
    size, last = prod(layer.kernel), x.axes + 2
    half = graph.integers(size // 2 + 1)
    lower = graph.add("TopK", windows, half, axis=last, largest=0, sorted=1, outputs=2)
    middle = graph.slice(lower, [(size - 1) // 2], [size // 2 + 1], [last])
    name = graph.add("ReduceMean", middle, graph.integers(last), keepdims=0)
    return Value(name, shape_after(layer, x))


@write.register
def _(layer: NormPool, graph: Graph, x: Value) -> Value:
    size = graph.add("Abs", x.name)
    windows = unfolded(graph, size, layer.kernel, layer.stride, layer.padding)
    last = graph.integers(x.axes + 2)
    # Relative to the window's largest no power overflows, whatever p.
    largest = graph.add("ReduceMax", windows, last, keepdims=1)
    scale = graph.add("Max", largest, graph.number(TINY))
    powers = graph.add("Pow", graph.add("Div", windows, scale), graph.number(layer.p))
    mean = graph.add("ReduceMean", powers, last, keepdims=1)
    norm = graph.add("Mul", largest, graph.add("Pow", mean, graph.number(1 / layer.p)))
    return Value(graph.add("Squeeze", norm, last), shape_after(layer, x))


@write.register
def _(layer: NetworkPool, graph: Graph, x: Value) -> Value:
    windows = unfolded(graph, x.name, layer.kernel, layer.stride, layer.padding)
    places = prod(layer.kernel)
    rows = graph.add("Reshape", windows, graph.integers(-1, places))
    numbers = write(layer.net, graph, Value(rows, (None, places)))
    shape = graph.add("Shape", windows, end=x.axes + 2)
    return Value(graph.add("Reshape", numbers.name, shape), shape_after(layer, x))


@write.register(LocallyConnected1d)
@write.register(LocallyConnected2d)
def _(layer: LocallyConnected, graph: Graph, x: Value) -> Value:
    windows = unfolded(graph, x.name, layer.kernel, layer.stride)
    weight = layer.weight.reshape(*layer.counts, prod(layer.kernel), *layer.weight.shape[-2:])
    out = "hw"[: layer.axes]
    joined = graph.add(
        "Einsum", windows, graph.constant(weight), equation=f"nc{out}p,{out}pcd->nd{out}"
    )
    bias = graph.constant(np.moveaxis(layer.bias, -1, 0))
    return Value(graph.add("Add", joined, bias), shape_after(layer, x))
