"""Exported networks give the core's outputs in ONNX's own reference implementation."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from cnn_core import networks, onnx_export
from cnn_core.errors import ExportError, GeometryError, ShapeError
from cnn_core.layers import (
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Dense,
    Embedding,
    Flatten,
    Identity,
    Layer,
    LocallyConnected1d,
    LocallyConnected2d,
    Relu,
    Sequential,
    Sum,
    Upsample,
)
from cnn_core.layers.dilated import Dilated

REFUSED = {Dilated.__name__}
"""Layers that a dense scan makes for itself; networks are exported before it."""
FIXED = (Flatten, LocallyConnected1d, LocallyConnected2d)
"""Layers that take one size only."""
CASES = [
    pytest.param(layer, shape, id=f"{name}-{index}")
    for name, kind in sorted(Layer.registry.items())
    if name not in REFUSED and kind.__module__.startswith("cnn_core.")
    for index, (layer, shape) in enumerate(kind.examples(np.random.default_rng(7)))
]


def free(shape):
    """Every size but the channels is left open."""
    return (*(None for _ in shape[:-1]), shape[-1])


def input_for(layer, shape):
    rng = np.random.default_rng(1)
    first = layer
    while isinstance(first, Sequential):
        first = first.layers[0]
    if isinstance(first, Embedding):
        return rng.integers(0, len(first.weight), shape)
    return rng.standard_normal(shape).astype(np.float32)


class LRN(OpRun):
    """By the operator's definition: onnx 1.23 counts the batch where it means the channels."""

    def _run(self, x, alpha, beta, bias, size):
        padded = np.pad(x**2, ((0, 0), (size // 2, size // 2), (0, 0), (0, 0)))
        around = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1).sum(axis=-1)
        return (x / (bias + alpha / size * around) ** beta,)


def assert_equal(net, model, x):
    ours = net.forward(x)
    theirs = ReferenceEvaluator(model, new_ops=[LRN]).run(None, {"x": x})[0]

    assert theirs.dtype == np.float32
    assert theirs.shape == ours.shape
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4 * max(1e-3, np.abs(ours).max()))


@pytest.mark.parametrize("sizes", ["open", "given"])
@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_every_layer_is_exported(layer, shape, sizes):
    """With all sizes open, and with all given."""
    if sizes == "open" and isinstance(layer, FIXED):
        sizes = "given"
    asked = free(shape) if sizes == "open" else shape
    if isinstance(layer, Embedding):
        asked = shape if sizes == "given" else (None, None)

    assert_equal(layer, onnx_export.to_onnx(layer, asked), input_for(layer, shape))


def test_what_cannot_be_exported_is_refused_by_name():
    ours = {
        name for name, kind in Layer.registry.items() if kind.__module__.startswith("cnn_core.")
    }
    refused = ours - set(onnx_export.known())
    assert refused == REFUSED

    for name in refused:
        layer, shape = next(Layer.registry[name].examples(np.random.default_rng(0)))
        with pytest.raises(ExportError, match=r"has no form in ONNX yet; expected one of BatchN"):
            onnx_export.to_onnx(Sequential((layer,)), shape)


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.tuples(st.integers(9, 40), st.integers(9, 40)),
    kernels=st.tuples(*[st.integers(1, 4)] * 4),
    stride=st.integers(1, 3),
    joined=st.sampled_from([Sum, Concat]),
)
def test_branches_meet_at_any_size(lengths, kernels, stride, joined):
    """One model for all sizes: crops are worked out where they depend on the size."""
    rng = np.random.default_rng(0)
    first, second, third, fourth = kernels
    tall = Conv2d.create(rng, 2, 3, (first, second), stride=stride, padding="same")
    wide = Sequential((Conv2d.create(rng, 2, 3, (third, fourth), stride=stride), Relu()))
    pyramid = Sequential(
        (Conv2d.create(rng, 2, 3, 3, stride=2 * stride, padding=1), Upsample.create(2))
    )
    net = joined((tall, wide, pyramid))
    model = onnx_export.to_onnx(net, (None, None, None, 2))

    assert_equal(net, model, rng.standard_normal((2, *lengths, 2)).astype(np.float32))


def operators(model):
    return {node.op_type for node in model.graph.node}


def test_crops_that_never_change_are_constants():
    """A residual block past valid convolutions asks for no size while it runs."""
    rng = np.random.default_rng(0)
    valid = Sum((Identity(), Conv1d.create(rng, 2, 2, 3, dilation=2)))
    same = Sum((Identity(), Conv1d.create(rng, 2, 2, 3, padding=1)))

    assert operators(onnx_export.to_onnx(valid, (None, None, 2))) == {
        "Transpose", "Conv", "Slice", "Sum", "Identity",
    }  # fmt: skip
    assert "Slice" not in operators(onnx_export.to_onnx(same, (None, None, 2)))


def test_batch_norms_are_folded_and_what_is_only_for_training_is_gone():
    net = networks.resnet18(np.random.default_rng(0), 5, width=1 / 32)
    found = operators(onnx_export.to_onnx(net, (None, None, None, 3)))

    assert "BatchNormalization" not in found
    assert {"Conv", "Gemm", "MaxPool", "ReduceMean", "Relu", "Sum"} <= found


BUILDERS = {
    "lenet5": (networks.lenet5, (2, 32, 32, 1)),
    "alexnet": (networks.alexnet, (1, 227, 227, 3)),
    "vgg16": (networks.vgg16, (1, 224, 224, 3)),
    "vgg19": (networks.vgg19, (1, 224, 224, 3)),
    "network_in_network": (networks.network_in_network, (2, 32, 32, 3)),
    "resnet18": (networks.resnet18, (1, 64, 96, 3)),
    "resnet34": (networks.resnet34, (1, 64, 96, 3)),
    "resnet50": (networks.resnet50, (1, 64, 96, 3)),
    "resnet152": (networks.resnet152, (1, 64, 96, 3)),
    "densenet121": (networks.densenet121, (1, 64, 96, 3)),
    "mobile": (networks.mobile, (1, 64, 96, 3)),
    "c3d": (networks.c3d, (1, 16, 112, 112, 3)),
    "video": (networks.video, (1, 6, 20, 24, 3)),
    "go_policy": (networks.go_policy, (2, 9, 9, 4)),
    "sentence_classifier": (networks.sentence_classifier, (3, 11)),
}
SMALL = {
    "video": {"classes": 4, "widths": (3, 4)},
    "go_policy": {"planes": 4, "filters": 5, "depth": 4, "board": 9},
    "sentence_classifier": {"vocabulary": 30, "channels": 6, "filters": 4},
}


def test_every_builder_is_here():
    assert set(BUILDERS) == {name for name in networks.__all__ if name.islower()}


@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_is_exported(name):
    """Narrow; those that end in Flatten at their size, the others at any."""
    build, shape = BUILDERS[name]
    net = build(np.random.default_rng(0), **SMALL.get(name, {"width": 1 / 64, "classes": 7}))
    fixed = any(isinstance(layer, Flatten) for layer in net.layers)
    asked = (None, *shape[1:]) if fixed else (None, None) if len(shape) == 2 else free(shape)

    assert_equal(net, onnx_export.to_onnx(net, asked), input_for(net, shape))


def dimensions(value):
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_embeddings_side_by_side_read_words():
    """As a fixed and a trained one do in Kim's classifier; every size open, the batch too."""
    rng = np.random.default_rng(0)
    side_by_side = Concat((Embedding.create(rng, 6, 3), Embedding.create(rng, 6, 2)))
    net = Sequential((side_by_side, Conv1d.create(rng, 5, 4, 3)))
    model = onnx_export.to_onnx(net, (None, None))

    assert net.output_shape((2, 9)) == (2, 7, 4)
    assert dimensions(model.graph.output[0]) == ["N", "out_1", 4]
    assert_equal(net, model, rng.integers(0, 6, (2, 9)))


def test_sizes_that_are_given_are_told_of_the_output():
    net = Sequential((Conv2d.create(np.random.default_rng(0), 1, 2, 3), Flatten()))

    assert dimensions(onnx_export.to_onnx(net, (None, 5, 6, 1)).graph.output[0]) == ["N", 24]


def test_a_file_holds_the_model_and_what_is_told_of_it(tmp_path):
    net = Sequential((Conv1d.create(np.random.default_rng(0), 2, 3, 3), BatchNorm.create(3)))
    onnx_export.save(tmp_path / "net.onnx", net, (None, None, 2), {"kind": "test"})
    model = onnx.load(tmp_path / "net.onnx")

    assert {entry.key: entry.value for entry in model.metadata_props} == {"kind": "test"}
    assert [(each.domain, each.version) for each in model.opset_import] == [("", onnx_export.OPSET)]
    assert dimensions(model.graph.input[0]) == ["N", "in_1", 2]
    assert dimensions(model.graph.output[0]) == ["N", "out_1", 3]
    assert_equal(net, model, np.ones((1, 8, 2), np.float32))


def _net(*layers):
    return Sequential(layers)


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("net", "shape", "words"),
    [
        (Dense.create(RNG, 3, 2), (3,), "to_onnx: got input shape (3,); expected (N, *in, C)"),
        (Dense.create(RNG, 3, 2), (None, None), "expected (N, *in, C), the channels given"),
        (_net(Conv1d.create(RNG, 2, 3, 3)), (None, None, 5), "expected 2 channels last"),
        (_net(Conv1d.create(RNG, 4, 3, 3)), (None, -3, 4), "got input shape (None, -3, 4)"),
        (_net(Embedding.create(RNG, 4, 3)), (None, None, None), "expected (N, T)"),
        (_net(Conv2d.create(RNG, 2, 3, 3)), (None, None, 2), "expected 2 swept axes"),
        (_net(Upsample.create(2)), (None, None, 2), "expected 2 axes"),
        (_net(BatchNorm.create(3)), (None, None, 2), "expected 3 channels last"),
        (_net(Flatten(), Dense.create(RNG, 6, 2)), (None, 4, 2), "expected 6 channels last"),
        (_net(Flatten(), Dense.create(RNG, 6, 2)), (None, None, 2), "instead of None"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(net, shape, words):
    """By the core, in its words, before the checker of ONNX sees it."""
    with pytest.raises(ShapeError, match=re.escape(words)):
        onnx_export.to_onnx(net, shape)


@pytest.mark.parametrize("shape", [(None, 2, 2), (None, None, 3, 2)])
def test_a_size_that_leaves_nothing_is_refused(shape):
    """Beside an open one, too."""
    conv = (Conv1d if len(shape) == 3 else Conv2d).create(RNG, 2, 2, 4)

    with pytest.raises(GeometryError, match="leaves nothing of an input of shape"):
        onnx_export.to_onnx(_net(Relu(), conv), shape)


def test_more_than_a_file_can_hold_is_refused():
    big = Dense(np.broadcast_to(np.float32(0), (1 << 15, 1 << 14)), None)

    with pytest.raises(ExportError, match="2147483648 bytes of weights; an ONNX file holds less"):
        onnx_export.to_onnx(big, (None, 1 << 15))
