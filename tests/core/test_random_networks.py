"""The laws over networks that nobody thought of: layers drawn, stacked and branched at random."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cnn_core.description import describe, rebuild
from cnn_core.fold import fold
from cnn_core.layers import (
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Downsample,
    Identity,
    Layer,
    LeakyRelu,
    LogSoftmax,
    MaxPool,
    MeanPool,
    Relu,
    Sequential,
    Sigmoid,
    Sum,
    Tanh,
    Upsample,
)  # fmt: skip
from cnn_core.tree import leaves
from tests.core.cases import Shape, double
from tests.core.slow_loops import Loop

ACTIVATIONS = (Relu(), LeakyRelu(0.2), Tanh(), Sigmoid(), LogSoftmax(), Identity())


@st.composite
def layers(draw: Any, axes: int, channels: int, *, same: bool = False) -> tuple[Layer, int]:
    """(a layer or block that takes these channels, channels it gives); `same` keeps the grid."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    kind = draw(st.integers(0, 3 if same else 7))
    if kind == 0:
        return draw(st.sampled_from(ACTIVATIONS)), channels
    if kind == 1:
        scale, shift, mean = rng.standard_normal((3, channels))
        return BatchNorm(scale, shift, mean, rng.uniform(0.5, 2, channels)), channels
    if kind in (2, 3):
        conv: Any = (Conv1d, Conv2d)[axes - 1]
        wide, kernel = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        stride = 1 if same else draw(st.integers(1, 3))
        padding = draw(st.sampled_from(("valid", "same", 1)))
        settings = {"stride": stride, "dilation": draw(st.integers(1, 2)), "padding": padding}
        return double(conv.create(rng, channels, wide, kernel, **settings)), wide
    if kind == 4:
        pool = draw(st.sampled_from((MaxPool, MeanPool)))
        settings = {"stride": draw(st.integers(1, 3)), "axes": axes}
        return pool.create(draw(st.integers(1, 3)), **settings), channels
    if kind == 5:
        return draw(st.sampled_from((Upsample, Downsample))).create(2, axes=axes), channels
    branches = [
        draw(networks(axes, channels, 2, same=True)) for _ in range(draw(st.integers(1, 3)))
    ]
    wide = sum(d for _, d in branches)
    if kind == 6 and len({d for _, d in branches}) == 1:
        return Sum(tuple(branch for branch, _ in branches)), branches[0][1]
    return Concat(tuple(branch for branch, _ in branches)), wide


@st.composite
def networks(
    draw: Any, axes: int, channels: int, most: int, *, same: bool = False
) -> tuple[Sequential, int]:
    """(layers one after another, channels out)."""
    stack = []
    for _ in range(draw(st.integers(0 if same else 1, most))):
        layer, channels = draw(layers(axes, channels, same=same))
        stack.append(layer)
    return Sequential(tuple(stack)), channels


@st.composite
def cases(draw: Any) -> tuple[Sequential, Shape]:
    """A network, and an input that may be too short for it."""
    axes, channels = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    lengths = draw(st.lists(st.integers(1, (14, 7)[axes - 1]), min_size=axes, max_size=axes))
    net, _ = draw(networks(axes, channels, 4))
    return net, (draw(st.integers(1, 2)), *lengths, channels)


def given_input(shape: Shape, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def causal_beside_centred() -> tuple[Layer, Shape]:
    """Two filters of two places, one causal: each stands by its own rule, and none drops any."""
    rng = np.random.default_rng(0)
    filters = [double(Conv1d.create(rng, 1, 1, 2, padding=((n, 0),))) for n in (0, 1)]
    return Sum(tuple(filters)), (1, 2, 1)


@settings(deadline=None, max_examples=100)
@given(case=cases())
@example(case=causal_beside_centred())
def test_a_network_is_its_loops(case):
    """Output, its shape, and the multiplications, from definitions alone."""
    net, shape = case
    x, loop = given_input(shape), Loop()
    y, expected = net.forward(x), loop.run(net, x)

    assert y.shape == net.output_shape(shape)
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)
    assert net.multiply_adds(shape) == loop.multiplications


@settings(deadline=None, max_examples=100)
@given(case=cases())
def test_saved_folded_or_trained_it_is_the_same_network(case):
    """Its description builds it again, folding changes nothing, `vjp` gives what `forward` does."""
    net, shape = case
    x = given_input(shape)
    y = net.forward(x)

    np.testing.assert_array_equal(rebuild(describe(net), dict(leaves(net))).forward(x), y)
    np.testing.assert_allclose(fold(net).forward(x), y, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(net.vjp(x)[0], y, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=100)
@given(case=cases())
def test_its_gradient_is_the_slope(case):
    net, shape = case
    x, along, eps = given_input(shape), given_input(shape, 1), 1e-6
    y, pull = net.vjp(x)
    dy = given_input(y.shape, 2)
    slope = ((net.forward(x + eps * along) - net.forward(x - eps * along)) * dy).sum() / (2 * eps)

    np.testing.assert_allclose((pull(dy)[0] * along).sum(), slope, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=100)
@given(case=cases(), data=st.data())
def test_nothing_outside_its_window_matters(case, data):
    """Law 1: what lies outside the declared span of an output may be anything."""
    net, shape = case
    x = given_input(shape)
    y, windows = net.forward(x), net.windows
    if y.size == 0 or not windows:
        return
    index = tuple(data.draw(st.integers(0, n - 1)) for n in y.shape[1:-1])
    inside = np.zeros(shape, bool)
    spans = [w.span(i) for w, i in zip(windows, index, strict=True)]
    inside[(slice(None), *(slice(max(0, a), max(0, b)) for a, b in spans))] = True
    disturbed = np.where(inside, x, given_input(shape, 3))
    place = (slice(None), *index)

    np.testing.assert_allclose(net.forward(disturbed)[place], y[place], rtol=1e-12, atol=1e-12)
