"""Layers that look at one place, without weights."""

from __future__ import annotations

from cnn_core.layers import (
    Dropout,
    Identity,
    Layer,
    LeakyRelu,
    LogSoftmax,
    Relu,
    Sigmoid,
    Silu,
    Softmax,
    Tanh,
)
from cnn_core.onnx_export.graph import Graph, Value
from cnn_core.onnx_export.write import write


@write.register(Identity)
@write.register(Dropout)
def _(layer: Layer, graph: Graph, x: Value) -> Value:
    return x


@write.register(Relu)
@write.register(Tanh)
@write.register(Sigmoid)
def _(layer: Layer, graph: Graph, x: Value) -> Value:
    return x.named(graph.add(type(layer).__name__, x.name))


@write.register(Softmax)
@write.register(LogSoftmax)
def _(layer: Layer, graph: Graph, x: Value) -> Value:
    return x.named(graph.add(type(layer).__name__, x.name, axis=1))


@write.register
def _(layer: LeakyRelu, graph: Graph, x: Value) -> Value:
    return x.named(graph.add("LeakyRelu", x.name, alpha=layer.slope))


@write.register
def _(layer: Silu, graph: Graph, x: Value) -> Value:
    return x.named(graph.add("Mul", x.name, graph.add("Sigmoid", x.name)))
