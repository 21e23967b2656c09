"""Layers of layers, and layers that join all places."""

from __future__ import annotations

from cnn_core.errors import ShapeError
from cnn_core.layers import Concat, Flatten, GlobalMaxPool, GlobalMeanPool, Layer, Sequential, Sum
from cnn_core.onnx_export.branches import aligned
from cnn_core.onnx_export.graph import Graph, Value
from cnn_core.onnx_export.write import shape_after, write


@write.register
def _(layer: Sequential, graph: Graph, x: Value) -> Value:
    for each in layer.layers:
        x = write(each, graph, x)
    return x


@write.register
def _(layer: Sum, graph: Graph, x: Value) -> Value:
    outputs = [write(branch, graph, x) for branch in layer.branches]
    name = graph.add("Sum", *aligned(graph, layer, x.shape, outputs))
    return Value(name, shape_after(layer, x))


@write.register
def _(layer: Concat, graph: Graph, x: Value) -> Value:
    outputs = [write(branch, graph, x) for branch in layer.branches]
    name = graph.add("Concat", *aligned(graph, layer, x.shape, outputs), axis=1)
    return Value(name, shape_after(layer, x))


@write.register
def _(layer: Flatten, graph: Graph, x: Value) -> Value:
    if None in x.shape[1:]:
        raise ShapeError(
            f"{layer}: got an input of shape {x.shape}; it joins all places of one size, so give "
            "to_onnx the sizes instead of None"
        )
    name = graph.add("Flatten", graph.channels_last(x), axis=1)
    return Value(name, shape_after(layer, x))


@write.register(GlobalMaxPool)
@write.register(GlobalMeanPool)
def _(layer: Layer, graph: Graph, x: Value) -> Value:
    operator = "ReduceMax" if isinstance(layer, GlobalMaxPool) else "ReduceMean"
    places = graph.integers(*range(2, x.axes + 2))
    name = graph.add(operator, x.name, places, keepdims=0)
    return Value(name, shape_after(layer, x))
