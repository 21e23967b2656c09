"""Batch norm's conventions and recomputed statistics; local response normalisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.batch_statistics import recompute
from cnn_core.errors import GeometryError, ShapeError, TrainingError
from cnn_core.layers import (
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    GlobalMeanPool,
    Identity,
    LocalResponseNorm,
    NetworkPool,
    Relu,
    Sequential,
    Sum,
)
from cnn_core.tree import leaves, statistics, tree_map


def double(net):
    return tree_map(lambda a: a.astype(np.float64), net)


def in_training(net, x):
    return net.vjp(x, np.random.default_rng(0))[0]


def branched(rng):
    """Batch norms in a trunk, in both kinds of branches, nested, and after a dense layer."""

    def block(channels_in, channels_out):
        conv = Conv2d.create(rng, channels_in, channels_out, 3, padding=1, bias=False)
        return Sequential((conv, BatchNorm.create(channels_out), Relu()))

    inner = Sum((Identity(), Sequential((block(3, 3), Sequential((block(3, 3),))))))
    return double(Sequential((
        block(2, 3), inner, Relu(), Concat((Identity(), block(3, 2), inner)), BatchNorm.create(8),
        GlobalMeanPool(), Dense.create(rng, 8, 4), BatchNorm.create(4),
    )))  # fmt: skip


def test_a_training_batch_comes_out_normalised():
    """Mean 0 and variance 1 (divided by n) a channel, before scale and shift."""
    x = 5 + 3 * np.random.default_rng(0).standard_normal((4, 7, 2))
    y = in_training(double(BatchNorm.create(2)), x)
    np.testing.assert_allclose(y.mean(axis=(0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=(0, 1)), 1, rtol=1e-5)


def test_running_statistics_move_by_one_minus_momentum():
    """running = m * running + (1 - m) * batch, by subtracting the gradient as it is."""
    x = np.random.default_rng(1).standard_normal((8, 3, 2))
    norm = double(replace(BatchNorm.create(2, momentum=0.7), mean=np.array([2.0, -1.0])))
    y, pull = norm.vjp(x, np.random.default_rng(0))
    _, gradient = pull(np.ones_like(y))
    np.testing.assert_allclose(
        norm.mean - gradient.mean, 0.7 * norm.mean + 0.3 * x.mean(axis=(0, 1))
    )
    np.testing.assert_allclose(
        norm.variance - gradient.variance, 0.7 * norm.variance + 0.3 * x.var(axis=(0, 1))
    )


def test_inference_moves_nothing():
    x = np.random.default_rng(1).standard_normal((8, 3, 2))
    norm = double(BatchNorm.create(2))
    _, gradient = norm.vjp(x)[1](x)
    assert not gradient.mean.any()
    assert not gradient.variance.any()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 11), max_size=4))
def test_recomputed_statistics_give_the_training_output_of_the_whole_set(seed, cuts):
    """Whatever the batches: inference equals training on everything at once."""
    rng = np.random.default_rng(seed)
    net = branched(rng)
    x = 100 + 3 * rng.standard_normal((12, 5, 4, 2))
    recomputed = recompute(net, np.split(x, sorted(set(cuts))))
    np.testing.assert_allclose(recomputed.forward(x), in_training(net, x), atol=1e-8)
    for (path, new), (_, old) in zip(leaves(recomputed), leaves(net), strict=True):
        assert new.dtype == old.dtype
        if path not in statistics(net):
            assert new is old


@pytest.mark.parametrize("hold_bytes", [0, 5000, 10**9])
def test_what_is_held_changes_nothing_but_the_work(hold_bytes):
    """Where its outputs are held the first layer sees each batch once, else once a batch norm."""
    rng = np.random.default_rng(0)
    seen = []

    class Counting(Identity, abstract=True):
        def forward(self, x):
            seen.append(len(x))
            return x

    net = Sequential((Counting(), branched(rng)))
    batches = np.split(rng.standard_normal((12, 5, 4, 2)), 3)
    recomputed = recompute(net, batches, hold_bytes=hold_bytes)
    reference = recompute(branched(np.random.default_rng(0)), batches)
    for (_, got), (_, expected) in zip(leaves(recomputed), leaves(reference), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)
    norms = sum("variance" in path for path, _ in leaves(net))
    assert len(seen) == (3 if hold_bytes else 3 * norms)


def test_moments_are_exact_far_from_zero():
    """A variance of 1e-4 around 1e4: the sum of squares alone would lose it."""
    x = 1e4 + 0.01 * np.random.default_rng(2).standard_normal((50, 40, 1))
    norm = recompute(double(BatchNorm.create(1)), list(x[:, None]))
    np.testing.assert_allclose(norm.variance, x.var(), rtol=1e-9)


def test_dropout_does_nothing_while_statistics_are_measured():
    x = np.random.default_rng(3).standard_normal((4, 5, 2))
    net = double(Sequential((Dropout(0.9), BatchNorm.create(2))))
    np.testing.assert_allclose(recompute(net, [x]).layers[1].mean, x.mean(axis=(0, 1)))


def test_a_network_without_batch_norm_is_left_as_it_is():
    net = Sequential((Conv1d.create(np.random.default_rng(0), 2, 3, 3), Relu()))
    for (_, a), (_, b) in zip(leaves(recompute(net, [])), leaves(net), strict=True):
        assert a is b


@pytest.mark.parametrize(
    ("batches", "message"),
    [([], "got none"), ([np.zeros((0, 3, 2))], "got none"), (iter([]), "walked once")],
)
def test_recompute_says_what_is_wrong_with_the_batches(batches, message):
    with pytest.raises(TrainingError, match=message):
        recompute(BatchNorm.create(2), batches)


def test_recompute_names_the_layer_that_hides_a_batch_norm():
    rng = np.random.default_rng(0)
    hidden = Sequential((Dense.create(rng, 2, 3), BatchNorm.create(3), Dense.create(rng, 3, 1)))
    with pytest.raises(TrainingError, match="NetworkPool"):
        recompute(NetworkPool.create(hidden, 2), [np.zeros((1, 4, 2))])


def test_batch_norm_names_wrong_channels():
    with pytest.raises(ShapeError, match=r"BatchNorm.*\(2, 3\).*4 channels"):
        BatchNorm.create(4).vjp(np.zeros((2, 3)))


def test_local_response_norm_is_the_papers():
    """One active channel of 3 lowers itself and its neighbours: alpha is not divided by size."""
    x = np.array([[[3.0, 1.0, 1.0]]])
    y = LocalResponseNorm(size=3, alpha=0.5, beta=1.0, k=1.0).forward(x)
    np.testing.assert_allclose(y, [[[3 / 6, 1 / 6.5, 1 / 2]]])


@given(seed=st.integers(0, 1000), size=st.sampled_from([1, 3, 5, 9]), channels=st.integers(1, 12))
def test_local_response_norm_without_alpha_only_scales(seed, size, channels):
    x = np.random.default_rng(seed).standard_normal((2, 3, channels))
    y = LocalResponseNorm(size=size, alpha=0.0, beta=0.5, k=4.0).forward(x)
    np.testing.assert_allclose(y, x / 2)


@pytest.mark.parametrize("settings_", [{"size": 4}, {"size": 0}, {"k": 0.0}, {"alpha": -1.0}])
def test_local_response_norm_refuses_what_cannot_be(settings_):
    with pytest.raises(GeometryError, match="LocalResponseNorm"):
        LocalResponseNorm(**settings_)
