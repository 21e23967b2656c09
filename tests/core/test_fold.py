"""Folding batch norm into the layers before it changes no output."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.fold import fold
from cnn_core.layers import (
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    Dropout,
    Flatten,
    Identity,
    Relu,
    Sequential,
    Sum,
    depthwise_separable,
)
from cnn_core.tree import leaves


def norm(rng, channels):
    draw = {name: rng.uniform(0.5, 2, channels) for name in ("scale", "shift", "mean", "variance")}
    return replace(BatchNorm.create(channels), **draw)


def norms_left(net):
    return sum("variance" in path for path, _ in leaves(net))


@pytest.mark.parametrize("bias", [True, False])
def test_a_folded_network_gives_the_same_scores(bias):
    rng = np.random.default_rng(0)
    inner = Sequential((Conv1d.create(rng, 4, 4, 3, bias=bias), norm(rng, 4)))
    first = Conv1d.create(rng, 3, 4, 5, stride=2, bias=bias)
    net = Sequential((first, norm(rng, 4), Relu(), Sum((Identity(), inner)), norm(rng, 4)))
    x = rng.standard_normal((2, 30, 3))
    folded = fold(net)
    np.testing.assert_allclose(folded.forward(x), net.forward(x), rtol=1e-6, atol=1e-6)
    # The last batch norm follows a sum, not a convolution: it stays.
    assert norms_left(folded) == 1
    assert folded.windows == net.windows


@settings(deadline=None, max_examples=40)
@given(axes=st.integers(1, 3), groups=st.integers(1, 3), bias=st.booleans(), padded=st.booleans())
def test_convolutions_of_any_axes_and_groups_fold(axes, groups, bias, padded):
    rng = np.random.default_rng(axes + 3 * groups)
    cls, channels = (Conv1d, Conv2d, Conv3d)[axes - 1], 2 * groups
    settings_ = {"groups": groups, "bias": bias, "padding": "same" if padded else "valid"}
    conv = cls.create(rng, channels, 3 * groups, 2, **settings_)
    net = Sequential((conv, norm(rng, 3 * groups)))
    x = rng.standard_normal((2, *(5, 4, 3)[:axes], channels))
    folded = fold(net)
    assert norms_left(folded) == 0
    assert len(folded.layers) == 1
    np.testing.assert_allclose(folded.forward(x), net.forward(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_dense_layer_folds(bias):
    rng = np.random.default_rng(3)
    dense = Dense.create(rng, 12, 5, bias=bias)
    net = Sequential((Flatten(), dense, Dropout(0.5), norm(rng, 5), Relu()))
    x = rng.standard_normal((3, 4, 3))
    folded = fold(net)
    assert norms_left(folded) == 0
    np.testing.assert_allclose(folded.forward(x), net.forward(x), rtol=1e-6, atol=1e-6)


def test_branches_within_branches_fold():
    """What was joined and where it is cropped stays; a sequence in a sequence is no obstacle."""
    rng = np.random.default_rng(4)

    def block(channels):
        return Sequential((Conv1d.create(rng, channels, 2, 3, bias=False), norm(rng, 2), Relu()))

    separable = depthwise_separable(rng, 2, 2, 3, padding=1)
    inner = Sum((Identity(), Sequential((separable, norm(rng, 2)))))
    tail = Sequential((Sequential((Conv2d.create(rng, 2, 2, 1),)), norm(rng, 2)))
    deep = Sequential((block(3), Concat((Identity(), block(2))), block(4)))
    signal = Sequential((Concat((Identity(), deep)), Dropout(0.1)))
    picture = Sequential((inner, tail))
    for net, shape in ((signal, (2, 20, 3)), (picture, (1, 6, 5, 2))):
        x = rng.standard_normal(shape)
        folded = fold(net)
        assert norms_left(folded) == 0
        assert folded.windows == net.windows
        np.testing.assert_allclose(folded.forward(x), net.forward(x), rtol=1e-6, atol=1e-6)


def test_a_batch_norm_before_a_convolution_stays():
    """With padding behind it, it cannot be moved: padding is zero after it, not before."""
    rng = np.random.default_rng(5)
    net = Sequential((norm(rng, 2), Conv1d.create(rng, 2, 3, 3, padding="same")))
    assert norms_left(fold(net)) == 1
