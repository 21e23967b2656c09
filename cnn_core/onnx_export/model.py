"""A network as an ONNX model: channels last at the door, batch and swept axes of any size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto, TensorProto, checker, helper

from cnn_core.errors import ExportError, ShapeError
from cnn_core.fold import fold
from cnn_core.layers import Embedding, Layer, Sequential
from cnn_core.modelfile import write_whole
from cnn_core.onnx_export.graph import Graph, Sizes, Value
from cnn_core.onnx_export.write import write
from cnn_core.tree import leaves

OPSET = 18
IR_VERSION = 8
"""The first that carries this opset: older runtimes read it too."""
LARGEST_BYTES = 2_000_000_000


def to_onnx(
    net: Layer, input_shape: Sizes, metadata: Mapping[str, str] | None = None
) -> ModelProto:
    """The network for inference, its batch norms folded, as a checked model of opset 18.

    `input_shape` is (N, *in, C) with None for what may have any size: (None, None, 40) takes
    batches of signals of any length. Networks that end in `Flatten` need their sizes given.
    Input `x` and output `y` have the core's shapes, float32; words for an embedding are int64.
    `metadata` becomes the model's own entries.

    Raises ShapeError for a shape that the network does not take, and ExportError for a layer that
    ONNX has no form for, or weights beyond 2 GB.
    """
    _check(net, input_shape)
    net, graph = fold(net), Graph()
    x = Value("x", tuple(input_shape))
    inside = x.named(graph.channels_second("x", x.axes))
    y = write(net, graph, inside)
    graph.add("Identity", graph.channels_last(y))
    graph.nodes[-1].output[0] = "y"
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "sweepnet",
            [helper.make_tensor_value_info("x", _type(net), _dimensions(x.shape))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(y.shape))],
            graph.constants,
        ),
        producer_name="sweepnet",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, dict(metadata or {}))
    checker.check_model(model, full_check=True)
    return model


def _check(net: Layer, input_shape: Sizes) -> None:
    size_bytes = sum(array.nbytes for _, array in leaves(net))
    if size_bytes >= LARGEST_BYTES:
        raise ExportError(
            f"to_onnx: got {size_bytes} bytes of weights; an ONNX file holds less than 2 GB"
        )
    words = _type(net) == TensorProto.INT64
    if len(input_shape) < 2 or (input_shape[-1] is None and not words):
        raise ShapeError(
            f"to_onnx: got input shape {input_shape}; expected (N, *in, C), the channels given"
        )


def save(
    path: Path, net: Layer, input_shape: Sizes, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the model of `to_onnx`; the file appears whole or not at all."""
    write_whole(path, to_onnx(net, input_shape, metadata).SerializeToString())


def _type(net: Layer) -> int:
    """Words are whole numbers, everything else is not."""
    while isinstance(net, Sequential) and net.layers:
        net = net.layers[0]
    return TensorProto.INT64 if isinstance(net, Embedding) else TensorProto.FLOAT


def _dimensions(shape: Sizes) -> list[int | str]:
    """Sizes, or names for those that are free: N, then one for each axis."""
    names = ["N", *(f"axis_{axis}" for axis in range(1, len(shape)))]
    return [name if size is None else size for name, size in zip(names, shape, strict=True)]
