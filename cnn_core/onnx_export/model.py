"""A network as an ONNX model: channels last at the door, batch and swept axes of any size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto, TensorProto, checker, helper

from cnn_core.errors import ExportError, ShapeError
from cnn_core.fold import fold
from cnn_core.layers import Concat, Embedding, Layer, Sequential, Sum
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

    Raises ShapeError for a shape that the network does not take, GeometryError for one of which it
    leaves nothing, and ExportError for a layer without a form in ONNX, or weights beyond 2 GB.
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
            [helper.make_tensor_value_info("x", _type(net), _dimensions(x.shape, "in"))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, _dimensions(y.shape, "out"))],
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
    if _reads_words(net):
        expected, fits = "(N, T)", len(input_shape) == 2
    else:
        expected = "(N, *in, C), the channels given"
        fits = len(input_shape) >= 2 and input_shape[-1] is not None
    if not fits or any(size is not None and size < 1 for size in input_shape):
        raise ShapeError(
            f"to_onnx: got input shape {input_shape}; expected {expected}, None for an open size"
        )


def save(
    path: Path, net: Layer, input_shape: Sizes, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the model of `to_onnx`; the file appears whole or not at all."""
    write_whole(path, to_onnx(net, input_shape, metadata).SerializeToString())


def _type(net: Layer) -> int:
    return TensorProto.INT64 if _reads_words(net) else TensorProto.FLOAT


def _reads_words(net: Layer) -> bool:
    """Words are whole numbers, everything else is not."""
    if isinstance(net, Sequential):
        return bool(net.layers) and _reads_words(net.layers[0])
    if isinstance(net, Sum | Concat):
        return any(map(_reads_words, net.branches))
    return isinstance(net, Embedding)


def _dimensions(shape: Sizes, side: str) -> list[int | str]:
    """Sizes, or names for those that are free: N, then one for each axis of this side."""
    names = ["N", *(f"{side}_{axis}" for axis in range(1, len(shape)))]
    return [name if size is None else size for name, size in zip(names, shape, strict=True)]
