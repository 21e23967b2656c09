"""Every layer, and both networks, against PyTorch in float64: forward and backward."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from benchmarks.networks import flower, spotter
from benchmarks.twin import channels_last, channels_second, gradients, twin
from cnn_core.arrays import Array
from cnn_core.layers import Dropout, Layer
from cnn_core.tree import leaves, statistics, tree_map

Case = tuple[Layer, tuple[int, ...]]


def examples() -> Iterator[tuple[str, Case]]:
    for name, kind in Layer.registry.items():
        for number, case in enumerate(kind.examples(np.random.default_rng(0))):
            yield f"{name}-{number}", case
    yield "spotter", (spotter().net, (2, 260, 40))
    yield "flower", (flower().net, (1, 64, 96, 3))


CASES = dict(examples())
# In training each library draws its own dropout mask.
RUNS = [
    (name, training)
    for name, (layer, _) in CASES.items()
    for training in (False, True)
    if not (training and "Dropout(" in repr(layer))
]


def _double(net: Layer) -> Layer:
    converted: Layer = tree_map(lambda array: array.astype(np.float64), net)
    return converted


def _by_torch(
    net: Layer, x: Array, dy_seed: int, training: bool
) -> tuple[Array, Array, list[Array]]:
    module = twin(net).double().train(training)
    given = channels_second(x).requires_grad_()
    y = module(given)
    dy = np.random.default_rng(dy_seed).standard_normal(channels_last(y).shape)
    y.backward(channels_second(dy))
    assert given.grad is not None
    return channels_last(y), channels_last(given.grad), gradients(module)


@pytest.mark.parametrize(("name", "training"), RUNS)
def test_a_layer_equals_pytorch(name: str, training: bool) -> None:
    """Outputs, input gradients and parameter gradients agree to 1e-9 of their size."""
    layer, shape = CASES[name]
    net = _double(layer)
    x = np.random.default_rng(1).standard_normal(shape)
    y, pull = net.vjp(x, np.random.default_rng(2) if training else None)
    dy = np.random.default_rng(3).standard_normal(y.shape)
    dx, gradient = pull(dy)
    their_y, their_dx, their_gradients = _by_torch(net, x, 3, training)

    np.testing.assert_allclose(y, their_y, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(dx, their_dx, rtol=1e-9, atol=1e-9 * np.abs(dx).max())
    ours = [array for path, array in leaves(gradient) if path not in statistics(gradient)]
    assert len(ours) == len(their_gradients)
    for mine, theirs in zip(ours, their_gradients, strict=True):
        np.testing.assert_allclose(
            mine, theirs, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(mine).max())
        )


def test_the_dropout_twin_keeps_the_mean() -> None:
    """Both libraries scale what they keep, so that the expectation stays."""
    layer = Dropout(0.25)
    ones = np.ones((1, 20_000, 1))
    ours = layer.vjp(ones, np.random.default_rng(0))[0]
    theirs = twin(layer).train()(channels_second(ones))

    assert ours.mean() == pytest.approx(1.0, abs=0.02)
    assert torch.mean(theirs).item() == pytest.approx(1.0, abs=0.02)
