"""Every layer, and both networks, against PyTorch in float64: forward and backward.

Also re-makes what `make test` compares with, tests/core/reference/layers.npz.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.networks import flower, spotter
from benchmarks.record import record
from benchmarks.twin import channels_last, channels_second, gradients, twin
from cnn_core.arrays import Array
from cnn_core.layers import Dropout, Layer
from cnn_core.tree import tree_map
from tests.core.cases import Shape, vocabulary
from tests.core.torch_record import RECORD, WITHOUT_PEER, by_core, cases, digest, given

LAYERS = cases()
# In training the spotter drops channels, and each library draws its own.
NETWORKS = {
    "spotter": (spotter().net, (2, 260, 40), False),
    "flower": (flower().net, (1, 64, 96, 3), False),
    "flower-training": (flower().net, (1, 64, 96, 3), True),
}
CASES = {**LAYERS, **NETWORKS}


def by_torch(layer: Layer, shape: Shape, training: bool) -> list[Array]:
    """As `tests.core.torch_record.by_core`, by PyTorch."""
    x, dy = given(layer, shape)
    module = twin(layer).double().train(training)
    theirs = channels_second(x)
    if vocabulary(layer) is None:
        theirs.requires_grad_()
    y = module(theirs)
    y.backward(channels_second(dy))
    slope = [] if theirs.grad is None else [channels_last(theirs.grad)]
    return [channels_last(y), *slope, *gradients(module)]


@pytest.mark.parametrize("name", CASES)
def test_a_layer_equals_pytorch(name: str) -> None:
    """Outputs, input slopes and weight slopes agree to 1e-9 of their size."""
    layer, shape, training = CASES[name]
    layer = tree_map(lambda array: array.astype(np.float64), layer)
    ours, theirs = by_core(layer, shape, training), by_torch(layer, shape, training)

    assert [a.shape for a in ours] == [b.shape for b in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(a).max()))


def test_the_record_is_that_of_today() -> None:
    """What `make test` compares with is what PyTorch gives."""
    record(RECORD, {name: digest(*case[:2], by_torch(*case)) for name, case in LAYERS.items()})


def test_no_layer_is_left_out_that_pytorch_has() -> None:
    for name in WITHOUT_PEER:
        for layer, _ in Layer.registry[name].examples(np.random.default_rng(0)):
            with pytest.raises(TypeError, match="no PyTorch twin"):
                twin(layer)


def test_the_dropout_twin_keeps_the_mean() -> None:
    """Both libraries scale what they keep, so that the expectation stays."""
    layer = Dropout(0.25)
    ones = np.ones((1, 20_000, 1))
    ours = layer.vjp(ones, np.random.default_rng(0))[0]
    theirs = twin(layer).train()(channels_second(ones))

    assert ours.mean() == pytest.approx(1.0, abs=0.02)
    assert torch.mean(theirs).item() == pytest.approx(1.0, abs=0.02)
