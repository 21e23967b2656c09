"""A small training, step by step: what `make test` and `make peers` compare with PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.layers import BatchNorm, Conv2d, Dense, Flatten, MaxPool, Relu, Sequential
from cnn_core.losses import cross_entropy
from cnn_core.optim import Adam, AdamW, Sgd
from cnn_core.tree import leaves, statistics, tree_map

RECORD = Path(__file__).parent / "reference" / "parity.npz"
STEPS, BATCH, CLASSES, SMOOTHING = 20, 8, 3, 0.1
OPTIMISERS: dict[str, tuple[Any, float]] = {
    "sgd": (Sgd(0.9, weight_decay=5e-3, decay_on="all"), 0.05),
    "sgd-filters": (Sgd(0.9, weight_decay=5e-3), 0.05),
    "nesterov": (Sgd(0.9, nesterov=True, weight_decay=5e-3, decay_on="all"), 0.02),
    "adam": (Adam(weight_decay=5e-3, decay_on="all"), 0.01),
    "adamw": (AdamW(weight_decay=5e-2, decay_on="all"), 0.01),
    "adamw-filters": (AdamW(weight_decay=5e-2), 0.01),
}
"""Optimisers, each with its rate."""


@dataclass(frozen=True, eq=False)
class Batches:
    """Inputs (B, N, H, W, C) and classes (B, N) of batches that are taken in turn."""

    inputs: Array
    classes: Integers

    def __iter__(self) -> Iterator[tuple[Array, Integers]]:
        for step in range(STEPS):
            yield self.inputs[step % len(self.inputs)], self.classes[step % len(self.inputs)]


def network(rng: np.random.Generator) -> Sequential:
    """Two convolutions, batch norm, pooling, a dense layer; float64.

    No bias stands before a batch norm: its gradient is rounding alone, which Adam would enlarge.
    """
    net = Sequential((
        Conv2d.create(rng, 2, 4, 3, padding="same", bias=False), BatchNorm.create(4), Relu(),
        MaxPool.create(2, axes=2), Conv2d.create(rng, 4, 5, 2), Relu(), Flatten(),
        Dense.create(rng, 2 * 2 * 5, CLASSES),
    ))  # fmt: skip
    return tree_map(lambda array: array.astype(np.float64), net)


def batches(rng: np.random.Generator) -> Batches:
    """Five batches that can be learned: the classes follow from a random projection."""
    inputs = rng.standard_normal((5, BATCH, 6, 6, 2)).astype(np.float32).astype(np.float64)
    scores = inputs.reshape(5, BATCH, -1) @ rng.standard_normal((72, CLASSES))
    return Batches(inputs, scores.argmax(axis=-1))


def train(net: Sequential, given: Batches, optimiser: Any, rate: float) -> dict[str, Array]:
    """The losses (STEPS,), the gradients of the first and the last step, the trained network."""
    state, losses, gradients = optimiser.init(net), [], []
    for x, classes in given:
        y, pull = net.vjp(x, np.random.default_rng(0))
        loss, slopes = cross_entropy(y, classes, label_smoothing=SMOOTHING)
        gradients.append(pull(slopes)[1])
        net, state = optimiser.step(net, state, gradients[-1], rate)
        losses.append(loss)
    weights = [path for path, _ in leaves(net) if path not in statistics(net)]
    first, last = (dict(leaves(gradient)) for gradient in (gradients[0], gradients[-1]))
    return {
        "losses": np.array(losses),
        **{f"first/{path}": first[path] for path in weights},
        **{f"last/{path}": last[path] for path in weights},
        **{f"net/{path}": array for path, array in leaves(net)},
    }


def filled(net: Sequential, arrays: Mapping[str, Array]) -> Sequential:
    """The network with these arrays by path."""
    paths = iter([path for path, _ in leaves(net)])
    return tree_map(lambda _: arrays[next(paths)], net)


def assert_same(found: Mapping[str, Array], due: Mapping[str, Array], tolerance: float) -> None:
    """Equal arrays for every name that is due, within a share of each one's largest number."""
    assert set(due) <= set(found)
    for name, array in due.items():
        near = tolerance * np.abs(array).max()
        np.testing.assert_allclose(found[name], array, rtol=tolerance, atol=near, err_msg=name)
