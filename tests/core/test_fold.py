"""Folding batch norm into convolutions changes no output."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnn_core.fold import fold
from cnn_core.layers import BatchNorm, Conv1d, Identity, Relu, Sequential, Sum
from cnn_core.tree import leaves


def _norm(rng, channels):
    norm = BatchNorm.create(channels)
    draw = {name: rng.uniform(0.5, 2, channels) for name in ("scale", "shift", "mean", "variance")}
    return replace(norm, **draw)


@pytest.mark.parametrize("bias", [True, False])
def test_a_folded_network_gives_the_same_scores(bias):
    rng = np.random.default_rng(0)
    inner = Sequential((Conv1d.create(rng, 4, 4, 3, bias=bias), _norm(rng, 4)))
    first = Conv1d.create(rng, 3, 4, 5, stride=2, bias=bias)
    net = Sequential((first, _norm(rng, 4), Relu(), Sum((Identity(), inner)), _norm(rng, 4)))
    x = rng.standard_normal((2, 30, 3))
    folded = fold(net)
    np.testing.assert_allclose(folded.forward(x), net.forward(x), rtol=1e-6, atol=1e-6)
    # The last batch norm follows a sum, not a convolution: it stays.
    assert sum("variance" in path for path, _ in leaves(folded)) == 1
    assert folded.windows == net.windows
