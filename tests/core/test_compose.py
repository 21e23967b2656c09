"""Branches: joined where they are centred alike, split again in the gradient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.errors import GeometryError, ShapeError
from cnn_core.layers import (
    Concat,
    Conv1d,
    Conv2d,
    Dense,
    GlobalMaxPool,
    GlobalMeanPool,
    Identity,
    MaxPool,
    Relu,
    Sequential,
    Sum,
)
from cnn_core.stream import open_stream
from cnn_core.tree import leaves, tree_map


def double(layer):
    return tree_map(lambda a: a.astype(np.float64), layer)


@st.composite
def towers(draw, channels=2, equal=None):
    """Branches of valid convolutions of equal stride, each of its own length and channels."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    stride = draw(st.integers(1, 3))
    branches = []
    for _ in range(draw(st.integers(1, 4))):
        out = equal or draw(st.integers(1, 3))
        size, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 2))
        conv = Conv1d.create(rng, channels, out, size, stride=stride, dilation=dilation)
        branches.append(double(conv))
    return tuple(branches)


def signal(length, channels=2):
    return np.random.default_rng(length).standard_normal((2, length, channels))


@given(towers(), st.integers(0, 30))
def test_joined_channels_are_those_of_the_branches(branches, length):
    """Each branch's own outputs stand side by side, from where all are centred alike."""
    net, x = Concat(branches), signal(length)
    y = net.forward(x)
    assert y.shape == net.output_shape(x.shape)
    parts = np.split(y, np.cumsum([b.weight.shape[-1] for b in branches])[:-1], axis=-1)
    last = max(b.windows[0].centre for b in branches)
    for part, branch in zip(parts, branches, strict=True):
        (window,) = branch.windows
        first = (last - window.centre) // window.step
        whole = branch.forward(x)[:, first:] if length else part
        np.testing.assert_array_equal(part, whole[:, : y.shape[1]])


@given(towers(equal=3), st.integers(12, 30))
def test_a_sum_is_a_concatenation_whose_parts_are_added(branches, length):
    x = signal(length)
    joined = Concat(branches).forward(x)
    total = joined.reshape(*joined.shape[:-1], len(branches), 3).sum(axis=-2)
    np.testing.assert_allclose(Sum(branches).forward(x), total, atol=1e-12)
    assert Sum(branches).windows == Concat(branches).windows


@given(towers(), st.integers(12, 30))
def test_the_gradient_is_split_as_the_outputs_were_joined(branches, length):
    """A branch whose part of dy is zero learns nothing; the input's gradients add up."""
    net, x = Concat(branches), signal(length)
    y, pull = net.vjp(x)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    ends = np.cumsum([b.weight.shape[-1] for b in branches])
    total = np.zeros_like(x)
    for index, (end, branch) in enumerate(zip(ends, branches, strict=True)):
        only = np.zeros_like(dy)
        part = slice(end - branch.weight.shape[-1], end)
        only[..., part] = dy[..., part]
        dx, gradient = pull(only)
        total += dx
        learns = [g.weight.any() for g in gradient.branches]
        assert learns == [i == index for i in range(len(branches))]
    np.testing.assert_allclose(pull(dy)[0], total, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(towers(), st.lists(st.integers(0, 40), max_size=6))
def test_branches_stream(branches, cuts):
    """The branch that answers earlier waits, whatever the chunks."""
    net, x = Concat((*branches, Sequential((*branches[:1], Relu())))), signal(40)[0]
    stream = open_stream(net)
    y = np.concatenate([stream.step(chunk).scores for chunk in np.split(x, sorted(cuts))])
    np.testing.assert_allclose(y, net.forward(x[None])[0], atol=1e-12)


def test_a_dense_block_keeps_what_came_in():
    """The input first, then what was learned; three layers of growth 4 on 3 channels."""
    rng = np.random.default_rng(0)
    layers = tuple(
        Concat((Identity(), Conv2d.create(rng, 3 + 4 * i, 4, 3, padding=1))) for i in range(3)
    )
    x = rng.standard_normal((1, 5, 4, 3))
    y = Sequential(layers).forward(x)
    assert y.shape == (1, 5, 4, 15)
    np.testing.assert_array_equal(y[..., :3], x)


def test_heads_without_places_join():
    """A maximum and a mean over everything, and a dense layer each: (N, D1 + D2)."""
    rng = np.random.default_rng(0)
    heads = [Sequential((pool, Dense.create(rng, 3, d))) for pool, d in
             ((GlobalMaxPool(), 2), (GlobalMeanPool(), 4))]  # fmt: skip
    net, x = Concat(tuple(heads)), rng.standard_normal((5, 6, 7, 3))
    y, pull = net.vjp(x)
    assert y.shape == net.output_shape(x.shape) == (5, 6)
    np.testing.assert_array_equal(y[:, :2], heads[0].forward(x))
    assert pull(y)[0].shape == x.shape
    same = Sequential((Concat((GlobalMaxPool(), GlobalMeanPool())), Dense.create(rng, 6, 1)))
    assert same.forward(x).shape == (5, 1)


def test_branches_within_branches():
    rng = np.random.default_rng(0)
    inner = Concat((Identity(), Conv1d.create(rng, 2, 2, 3)))
    outer = Sum((Sequential((inner, Conv1d.create(rng, 4, 3, 3))), Conv1d.create(rng, 2, 3, 1)))
    x = rng.standard_normal((2, 11, 2))
    y, pull = outer.vjp(x)
    assert y.shape == outer.output_shape(x.shape) == (2, 7, 3)
    _, gradient = pull(y)
    assert [path for path, _ in leaves(gradient)] == [path for path, _ in leaves(outer)]


@pytest.mark.parametrize("cls", [Sum, Concat])
def test_no_branches_are_refused(cls):
    with pytest.raises(GeometryError, match=rf"{cls.__name__}: .*no branches"):
        cls(())


def test_a_sum_of_unequal_channels_is_refused():
    """One channel would otherwise be added to all of three."""
    rng = np.random.default_rng(0)
    net = Sum((Conv1d.create(rng, 2, 1, 3), Conv1d.create(rng, 2, 3, 3)))
    with pytest.raises(ShapeError, match=r"Sum: got branches with \[1, 3\] channels"):
        net.forward(np.zeros((1, 6, 2)))


def test_branches_that_do_not_meet_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(GeometryError, match="steps"):
        Concat((MaxPool.create(2), Identity())).forward(np.zeros((1, 6, 2)))
    with pytest.raises(GeometryError, match="different numbers of axes"):
        _ = Concat((Conv1d.create(rng, 2, 2, 1), Conv2d.create(rng, 2, 2, 1))).windows
    with pytest.raises(GeometryError, match=r"Concat.*equally many axes"):
        Concat((GlobalMaxPool(), Identity())).forward(np.zeros((1, 6, 2)))


def test_windows_are_reckoned_once():
    """A stream began with thousands of them: half of the time that a short recording took."""
    rng = np.random.default_rng(0)
    net = Sequential((Conv1d.create(rng, 2, 2, 3), Sum((Identity(), Conv1d.create(rng, 2, 2, 5)))))
    assert net.windows is net.windows
    assert net.layers[1].windows is net.layers[1].windows
