"""Layers with weights."""

from __future__ import annotations

import numpy as np

from cnn_core.layers import (
    BatchNorm,
    Bias,
    Conv,
    Dense,
    Embedding,
    LocalResponseNorm,
    ScanningMlp,
    WordPath,
    distribute,
)
from cnn_core.onnx_export.graph import Graph, Value
from cnn_core.onnx_export.wordpath import best_path
from cnn_core.onnx_export.write import shape_after, write


@write.register
def _(layer: Conv, graph: Graph, x: Value) -> Value:
    after = shape_after(layer, x)
    inputs = [x.name, graph.constant(np.moveaxis(layer.weight, (-1, -2), (0, 1)))]
    if layer.bias is not None:
        inputs.append(graph.constant(layer.bias))
    befores, afters = zip(*layer.padding, strict=True)
    name = graph.add(
        "Conv",
        *inputs,
        strides=layer.stride,
        dilations=layer.dilation,
        pads=[*befores, *afters],
        group=layer.groups,
    )
    return Value(name, after)


@write.register
def _(layer: Dense, graph: Graph, x: Value) -> Value:
    after = shape_after(layer, x)
    bias = () if layer.bias is None else (graph.constant(layer.bias),)
    if x.axes == 0:
        name = graph.add("Gemm", x.name, graph.constant(layer.weight), *bias)
    else:
        kernel = layer.weight.T.reshape(*layer.weight.T.shape, *(1,) * x.axes)
        name = graph.add("Conv", x.name, graph.constant(kernel), *bias)
    return Value(name, after)


@write.register
def _(layer: Bias, graph: Graph, x: Value) -> Value:
    after = shape_after(layer, x)
    bias = layer.bias.reshape(-1, *(1,) * x.axes)
    return Value(graph.add("Add", x.name, graph.constant(bias)), after)


@write.register
def _(layer: BatchNorm, graph: Graph, x: Value) -> Value:
    after = shape_after(layer, x)
    arrays = (layer.scale, layer.shift, layer.mean, layer.variance)
    constants = (graph.constant(array) for array in arrays)
    name = graph.add("BatchNormalization", x.name, *constants, epsilon=layer.epsilon)
    return Value(name, after)


@write.register
def _(layer: LocalResponseNorm, graph: Graph, x: Value) -> Value:
    """ONNX divides alpha by the size, and runtimes want two swept axes."""
    flat = graph.add("Reshape", x.name, graph.integers(0, 0, -1, 1))
    normalised = graph.add(
        "LRN", flat, size=layer.size, alpha=layer.alpha * layer.size, beta=layer.beta, bias=layer.k
    )
    return x.named(graph.add("Reshape", normalised, graph.add("Shape", x.name)))


@write.register
def _(layer: ScanningMlp, graph: Graph, x: Value) -> Value:
    return write(distribute(layer), graph, x)


@write.register
def _(layer: Embedding, graph: Graph, x: Value) -> Value:
    vectors = graph.add("Gather", graph.constant(layer.weight), x.name)
    axes = len(x.shape) - 1
    name = graph.channels_second(vectors, axes)
    return Value(name, (*x.shape, layer.weight.shape[-1]))


@write.register
def _(layer: WordPath, graph: Graph, x: Value) -> Value:
    return Value(best_path(graph, layer, x.name), shape_after(layer, x))
