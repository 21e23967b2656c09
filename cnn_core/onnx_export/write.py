"""The one function that every kind of layer adds itself to: `write` dispatches on the class."""

from __future__ import annotations

from functools import singledispatch

from cnn_core.errors import ExportError, GeometryError
from cnn_core.layers import Layer
from cnn_core.onnx_export.graph import Graph, Sizes, Value

PLENTY = 1 << 20
"""Stands for an open size while only the others count."""


@singledispatch
def write(layer: Layer, graph: Graph, x: Value) -> Value:
    """Adds the nodes of a layer that reads `x`; returns what it gives.

    Raises ExportError for a layer without a form in ONNX.
    """
    raise ExportError(
        f"{layer}: this layer has no form in ONNX yet; expected one of {', '.join(known())}"
    )


def known() -> list[str]:
    """Names of the layer classes that can be written, their subclasses included."""
    return sorted(
        name for name, kind in Layer.registry.items() if write.dispatch(kind) is not _unknown
    )


_unknown = write.dispatch(object)


def shape_after(layer: Layer, x: Value) -> Sizes:
    """The core's shape of the layer's output; sizes that follow from open ones are open.

    Raises ShapeError or GeometryError for what the layer does not take, or leaves nothing of.
    """
    after = layer.output_shape((1, *(PLENTY if size is None else size for size in x.shape[1:])))
    if 0 in after:
        raise GeometryError(
            f"{layer}: leaves nothing of an input of shape {x.shape}; expected a larger one"
        )
    sizes = (None for _ in after[1:-1]) if None in x.shape[1:] else after[1:-1]
    return (x.shape[0], *sizes, after[-1])
