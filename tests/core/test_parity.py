"""Training follows PyTorch, whose losses, gradients and weights are recorded (`make peers`)."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.arrays import Array
from tests.core.parity import OPTIMISERS, RECORD, Batches, assert_same, filled, network, train


@pytest.fixture(scope="module")
def recorded() -> dict[str, Array]:
    with np.load(RECORD) as arrays:
        return dict(arrays)


def _below(recorded: dict[str, Array], name: str) -> dict[str, Array]:
    prefix = f"{name}/"
    return {
        key.removeprefix(prefix): array for key, array in recorded.items() if key.startswith(prefix)
    }


@pytest.mark.parametrize("name", OPTIMISERS)
def test_training_follows_the_recorded_one(name: str, recorded: dict[str, Array]) -> None:
    """20 steps in float64 from equal weights and batches, batch norm included, within 1e-8."""
    optimiser, rate = OPTIMISERS[name]
    net = filled(network(np.random.default_rng(0)), _below(recorded, "start"))
    given = Batches(recorded["inputs"].astype(np.float64), recorded["classes"])
    assert_same(train(net, given, optimiser, rate), _below(recorded, name), 1e-8)


def test_the_record_is_small() -> None:
    assert RECORD.stat().st_size < 50_000
