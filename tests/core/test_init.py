"""First weights keep the size of signals: the variances that the papers derive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_core.init import glorot, he, zeros
from cnn_core.layers import Dense, Relu, Sequential

fans = st.integers(1, 500)


@given(fan_in=fans, fan_out=fans)
def test_variances_follow_from_the_fans(fan_in, fan_out):
    """He et al. 2015: 2 / fan in. Glorot and Bengio 2010: 2 / (fan in + fan out), uniform."""
    shape = (200, 100)
    drawn = he(np.random.default_rng(0), shape, fan_in, fan_out)
    assert drawn.var() == pytest.approx(2 / fan_in, rel=0.05)
    drawn = glorot(np.random.default_rng(0), shape, fan_in, fan_out)
    assert drawn.var() == pytest.approx(2 / (fan_in + fan_out), rel=0.05)
    assert np.abs(drawn).max() <= np.sqrt(6 / (fan_in + fan_out))


@pytest.mark.parametrize("initialiser", [he, glorot, zeros])
def test_weights_are_float32_of_the_shape_and_the_seed_decides_them(initialiser):
    first, again = (initialiser(np.random.default_rng(3), (2, 3, 4), 6, 8) for _ in range(2))
    assert (first.shape, first.dtype) == ((2, 3, 4), np.float32)
    assert first.tobytes() == again.tobytes()


def test_signals_keep_their_size_through_many_rectified_layers():
    rng = np.random.default_rng(0)
    layers = [layer for _ in range(20) for layer in (Dense.create(rng, 300, 300), Relu())]
    x = rng.standard_normal((200, 300)).astype(np.float32)
    size = np.sqrt((Sequential(tuple(layers[:-1])).forward(x) ** 2).mean())
    assert 0.5 < size < 4
