"""Layers that make a signal or picture larger or smaller."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn_core.layers import Downsample, Upsample, UpsampleBilinear, UpsampleZeros
from cnn_core.layers.upsample import Enlargement
from cnn_core.onnx_export.graph import TO_THE_END, Graph, Value
from cnn_core.onnx_export.write import shape_after, write


@write.register
def _(layer: Upsample, graph: Graph, x: Value) -> Value:
    settings = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return _resized(layer, graph, x, mode="nearest", **settings)


@write.register
def _(layer: UpsampleBilinear, graph: Graph, x: Value) -> Value:
    return _resized(layer, graph, x, mode="linear", coordinate_transformation_mode="half_pixel")


def _resized(layer: Enlargement, graph: Graph, x: Value, **settings: Any) -> Value:
    scales = graph.constant(np.array([1, 1, *layer.factor], np.float32))
    return Value(graph.add("Resize", x.name, "", scales, **settings), shape_after(layer, x))


@write.register
def _(layer: UpsampleZeros, graph: Graph, x: Value) -> Value:
    """Each place gets an axis of its own, which is padded, and joined with the axis it is from."""
    after_each = range(3, 2 * x.axes + 2, 2)
    apart = graph.add("Unsqueeze", x.name, graph.integers(*after_each))
    zeros = [side for factor in layer.factor for side in (0, factor - 1)]
    sides = graph.integers(*(0,) * (2 + len(zeros)), 0, 0, *zeros)
    padded = graph.add("Pad", apart, sides, graph.number(0.0), mode="constant")
    shape = graph.add("Mul", graph.add("Shape", x.name), graph.integers(1, 1, *layer.factor))
    return Value(graph.add("Reshape", padded, shape), shape_after(layer, x))


@write.register
def _(layer: Downsample, graph: Graph, x: Value) -> Value:
    axes = list(range(2, x.axes + 2))
    name = graph.slice(x.name, [0] * x.axes, [TO_THE_END] * x.axes, axes, list(layer.factor))
    return Value(name, shape_after(layer, x))
