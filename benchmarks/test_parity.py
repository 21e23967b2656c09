"""Training beside PyTorch: equal weights and batches give equal losses, gradients, weights.

Also re-makes what `make test` compares with, tests/core/reference/parity.npz.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.record import record
from benchmarks.twin import channels_second, gradients, twin
from cnn_core.arrays import Array
from cnn_core.layers import BatchNorm, Sequential
from cnn_core.optim import Adam, AdamW, Sgd
from cnn_core.tree import leaves, statistics, tree_map
from tests.core.parity import (
    OPTIMISERS,
    RECORD,
    SMOOTHING,
    STEPS,
    Batches,
    assert_same,
    batches,
    network,
    train,
)

NET, BATCHES = network(np.random.default_rng(0)), batches(np.random.default_rng(1))


def torch_optimiser(optimiser: Any, module: nn.Module, rate: float) -> torch.optim.Optimizer:
    """PyTorch's optimiser of the same settings, decay on the same weights."""
    groups = [
        {"params": [weight], "weight_decay": optimiser.weight_decay * decays}
        for weight in module.parameters()
        for decays in [optimiser.decay_on == "all" or weight.ndim >= 2]
    ]
    if isinstance(optimiser, Sgd):
        return torch.optim.SGD(
            groups, rate, momentum=optimiser.momentum, nesterov=optimiser.nesterov
        )
    betas = optimiser.beta1, optimiser.beta2
    kind = torch.optim.AdamW if isinstance(optimiser, AdamW) else torch.optim.Adam
    return kind(groups, rate, betas, optimiser.epsilon)


def torch_train(net: Sequential, given: Batches, optimiser: Any, rate: float) -> dict[str, Array]:
    """As `tests.core.parity.train`, by PyTorch."""
    module = twin(net).train()
    stepper = torch_optimiser(optimiser, module, rate)
    losses, slopes = [], []
    for x, classes in given:
        stepper.zero_grad()
        loss = F.cross_entropy(
            module(channels_second(x)), torch.from_numpy(classes), label_smoothing=SMOOTHING
        )
        loss.backward()
        slopes.append([slope.copy() for slope in gradients(module)])
        stepper.step()
        losses.append(loss.item())
    followed = statistics(net)
    weights = [path for path, _ in leaves(net) if path not in followed]
    trained = dict(zip(weights, _weights(module), strict=True)) | _statistics(net, module, given)
    return {
        "losses": np.array(losses),
        **{f"first/{path}": slope for path, slope in zip(weights, slopes[0], strict=True)},
        **{f"last/{path}": slope for path, slope in zip(weights, slopes[-1], strict=True)},
        **{f"net/{path}": trained[path] for path, _ in leaves(net)},
    }


def _weights(module: nn.Module) -> list[Array]:
    """Every parameter in the core's order and layout: that of `gradients`."""
    for weight in module.parameters():
        weight.grad = weight.detach().clone()
    return gradients(module)


def _statistics(net: Sequential, module: nn.Module, given: Batches) -> dict[str, Array]:
    """Running means and variances, the variances as if PyTorch too divided by n, not n - 1."""
    found: dict[str, Array] = {}
    for index, layer in enumerate(net.layers):
        if isinstance(layer, BatchNorm):
            shape = Sequential(net.layers[:index]).output_shape(given.inputs[0].shape)
            count, kept = prod(shape[:-1]), layer.momentum**STEPS
            mean, variance = (array.numpy() for array in module[index].buffers())  # type: ignore[index]
            found[f"layers.{index}.mean"] = mean
            found[f"layers.{index}.variance"] = kept + (variance - kept) * (count - 1) / count
    return found


@pytest.mark.parametrize("name", OPTIMISERS)
def test_training_follows_pytorch_in_float64(name: str) -> None:
    """Losses, gradients, weights and running statistics over 20 steps, within 1e-8."""
    optimiser, rate = OPTIMISERS[name]
    ours, theirs = (run(NET, BATCHES, optimiser, rate) for run in (train, torch_train))
    assert_same(ours, theirs, 1e-8)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_loss_follows_pytorch_in_float32(name: str) -> None:
    """Within 1 %, though rounding differs at every step."""
    optimiser, rate = OPTIMISERS[name]
    net = tree_map(lambda array: array.astype(np.float32), NET)
    given = Batches(BATCHES.inputs.astype(np.float32), BATCHES.classes)
    ours, theirs = (run(net, given, optimiser, rate)["losses"] for run in (train, torch_train))
    np.testing.assert_allclose(ours, theirs, rtol=0.01)


def test_what_make_test_compares_with_is_up_to_date() -> None:
    """PyTorch's runs, the weights and batches that they began from, the first gradient of all."""
    runs = {
        f"{name}/{part}": array
        for name, (optimiser, rate) in OPTIMISERS.items()
        for part, array in torch_train(NET, BATCHES, optimiser, rate).items()
        if part.startswith(("losses", "net/")) or (name, part[:6]) == ("sgd", "first/")
    }
    start = {f"start/{path}": array for path, array in leaves(NET)}
    inputs = BATCHES.inputs.astype(np.float32)  # exactly, as they were drawn
    record(RECORD, {"inputs": inputs, "classes": BATCHES.classes, **start, **runs})


def test_an_optimiser_that_differs_would_be_seen() -> None:
    """The tolerance is far below what a wrong formula costs."""
    ours = train(NET, BATCHES, Adam(weight_decay=5e-2, decay_on="all"), 0.01)
    theirs = torch_train(NET, BATCHES, AdamW(weight_decay=5e-2, decay_on="all"), 0.01)
    with pytest.raises(AssertionError, match="net/"):
        assert_same({**theirs, "net/layers.0.weight": ours["net/layers.0.weight"]}, theirs, 1e-3)
