"""Every layer gives what PyTorch gave, forward and backward, as `make peers` recorded it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.torch_record import RECORD, by_core, cases, digest

CASES = cases()


@pytest.fixture(scope="module")
def recorded():
    with np.load(RECORD) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", CASES)
def test_a_layer_gives_what_is_recorded(name, recorded):
    """In float64, within 1e-9 of the largest number."""
    layer, shape, training = CASES[name]
    found = digest(layer, shape, by_core(layer, shape, training))

    assert name in recorded, "not in the record: run `make peers` twice and commit it"
    assert recorded[name][0] == found[0], "another layer than the recorded: run `make peers` twice"
    scale = max(1.0, np.abs(found[1:]).max())
    np.testing.assert_allclose(found[1:], recorded[name][1:], rtol=1e-9, atol=1e-9 * scale)


def test_the_record_holds_nothing_else_and_is_small(recorded):
    assert set(recorded) == set(CASES)
    assert RECORD.stat().st_size < 300_000
