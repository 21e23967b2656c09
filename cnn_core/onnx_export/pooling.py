"""Pooling over blocks."""

from __future__ import annotations

from math import prod

from cnn_core.layers import MaxPool, MeanPool, SumPool
from cnn_core.layers.pooling import Pool
from cnn_core.onnx_export.graph import Graph, Value
from cnn_core.onnx_export.write import shape_after, write


def pooled(operator: str, layer: Pool, graph: Graph, x: str) -> str:
    """A pooling node over the layer's blocks; what is averaged counts the padding as zeros."""
    befores, afters = zip(*layer.padding, strict=True)
    counted = {"count_include_pad": 1} if operator == "AveragePool" else {}
    return graph.add(
        operator,
        x,
        kernel_shape=layer.kernel,
        strides=layer.stride,
        pads=[*befores, *afters],
        **counted,
    )


@write.register
def _(layer: MaxPool, graph: Graph, x: Value) -> Value:
    return Value(pooled("MaxPool", layer, graph, x.name), shape_after(layer, x))


@write.register
def _(layer: MeanPool, graph: Graph, x: Value) -> Value:
    return Value(pooled("AveragePool", layer, graph, x.name), shape_after(layer, x))


@write.register
def _(layer: SumPool, graph: Graph, x: Value) -> Value:
    mean = pooled("AveragePool", layer, graph, x.name)
    total = graph.add("Mul", mean, graph.number(prod(layer.kernel)))
    return Value(total, shape_after(layer, x))
