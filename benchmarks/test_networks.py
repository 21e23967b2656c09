"""Named networks beside the peers: every one exported at its published size and run by ONNX
Runtime, and narrow in float64 beside PyTorch; every layer and both detectors in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnxruntime
import pytest

from benchmarks.networks import flower, spotter
from benchmarks.twin import channels_last, channels_second, twin
from cnn_core import networks, onnx_export
from cnn_core.arrays import Array
from cnn_core.layers import Embedding, Flatten, Layer, Sequential
from cnn_core.networks import NAMED
from cnn_core.tree import tree_map


@dataclass(frozen=True)
class Case:
    """A network and the shape of an input."""

    net: Layer
    shape: tuple[int, ...]


def quick(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """He's spread, drawn in float32: a hundred million numbers in a second."""
    weight = rng.standard_normal(shape, np.float32)
    weight *= np.float32(np.sqrt(2.0 / fan_in))
    return weight


def run(net: Layer, x: Array, open_sizes: bool) -> Array:
    """What ONNX Runtime makes of the network."""
    shape = (None, *(None if open_sizes else n for n in x.shape[1:-1]), x.shape[-1])
    if isinstance(_first(net), Embedding):
        shape = (None, None)
    model = onnx_export.to_onnx(net, shape).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]  # type: ignore[no-any-return]


def _first(net: Layer) -> Layer:
    while isinstance(net, Sequential) and net.layers:
        net = net.layers[0]
    return net


def input_for(case: Case) -> Array:
    rng = np.random.default_rng(1)
    first = _first(case.net)
    if isinstance(first, Embedding):
        return rng.integers(0, len(first.weight), case.shape)  # type: ignore[return-value]
    return rng.standard_normal(case.shape, np.float32)


def fixed(net: Layer) -> bool:
    """Whether the network takes inputs of one size only."""
    return isinstance(net, Sequential) and any(isinstance(each, Flatten) for each in net.layers)


def assert_equal_in_onnx_runtime(case: Case, open_sizes: bool) -> None:
    x = input_for(case)
    ours, theirs = case.net.forward(x), run(case.net, x, open_sizes)

    assert theirs.shape == ours.shape
    scale = max(np.abs(ours).max(), 1e-3)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("name", NAMED)
def test_a_network_of_published_size_equals_onnx_runtime(name: str) -> None:
    """Within 1e-4 of the largest output."""
    published = NAMED[name]
    net = published.build(np.random.default_rng(0), initialiser=quick)

    assert_equal_in_onnx_runtime(Case(net, (1, *published.input_shape)), not fixed(net))


def small() -> Iterator[tuple[str, Case]]:
    """Every builder, narrow."""
    for name, each in NAMED.items():
        rng = np.random.default_rng(0)
        if name == "go_policy":
            net = networks.go_policy(rng, planes=4, filters=6, depth=4, board=9)
            yield name, Case(net, (2, 9, 9, 4))
        else:
            net = each.build(rng, width=1 / 16)
            flat = fixed(net)
            yield (
                name,
                Case(net, (1, *(each.input_shape if flat else (64, 96, each.input_shape[-1])))),
            )
    video = networks.video(np.random.default_rng(0), 4, widths=(3, 4))
    yield "video", Case(video, (2, 5, 16, 12, 3))
    sentences = networks.sentence_classifier(np.random.default_rng(0), 40, channels=8, filters=5)
    yield "sentence_classifier", Case(sentences, (3, 12))


def detectors() -> Iterator[tuple[str, Case]]:
    yield "spotter", Case(spotter().net, (2, 300, 40))
    yield "flower", Case(flower().net, (1, 96, 200, 3))


def layers() -> Iterator[tuple[str, Case]]:
    """Every example of every layer that can be exported."""
    for name in onnx_export.known():
        for number, case in enumerate(Layer.registry[name].examples(np.random.default_rng(0))):
            yield f"{name}-{number}", Case(*case)


SMALL = dict(small())
OTHERS = {**dict(detectors()), **dict(layers())}


@pytest.mark.parametrize("name", ["video", "sentence_classifier", *OTHERS])
def test_a_layer_or_detector_equals_onnx_runtime(name: str) -> None:
    """Networks without one published size, both detectors, and every layer."""
    case = OTHERS.get(name) or SMALL[name]

    open_sizes = not fixed(case.net) and not name.startswith(("Flatten", "LocallyConnected"))
    assert_equal_in_onnx_runtime(case, open_sizes)


@pytest.mark.parametrize("name", SMALL)
def test_a_narrow_network_equals_pytorch(name: str) -> None:
    """In float64, within 1e-9 of the largest output."""
    case = SMALL[name]
    net: Layer = tree_map(lambda array: array.astype(np.float64), case.net)
    x = input_for(case)
    if not isinstance(_first(net), Embedding):
        x = x.astype(np.float64)
    ours = net.forward(x)
    theirs = channels_last(twin(net).double().eval()(channels_second(x)))

    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-9 * np.abs(ours).max())
