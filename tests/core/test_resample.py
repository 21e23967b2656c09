"""Down- and upsampling: inverses, transposes, the places of bilinear outputs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_core.errors import GeometryError, ShapeError, StreamError
from cnn_core.geometry import Window
from cnn_core.layers import (
    Conv1d,
    Conv2d,
    Downsample,
    MeanPool,
    Sequential,
    Upsample,
    UpsampleBilinear,
    UpsampleZeros,
)
from cnn_core.stream import open_stream

KINDS = [Upsample, UpsampleZeros, UpsampleBilinear]


@st.composite
def enlargements(draw):
    """A factor an axis with an input, in one to three dimensions."""
    axes = draw(st.integers(1, 3))
    factor = tuple(draw(st.integers(1, 4)) for _ in range(axes))
    lengths = tuple(draw(st.integers(1, 5)) for _ in range(axes))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return factor, axes, rng.standard_normal((2, *lengths, 2))


@given(enlargements())
def test_dropping_the_zeros_gives_the_input_back(case):
    factor, axes, x = case
    zeros, drop = UpsampleZeros.create(factor, axes=axes), Downsample.create(factor, axes=axes)
    np.testing.assert_array_equal(drop.forward(zeros.forward(x)), x)
    np.testing.assert_array_equal(drop.forward(Upsample.create(factor, axes=axes).forward(x)), x)


@given(enlargements())
def test_zeros_are_what_is_dropped(case):
    """Of S^axes outputs one is the input; the rest are zeros, and the sum stays."""
    factor, axes, x = case
    y = UpsampleZeros.create(factor, axes=axes).forward(x)
    assert np.count_nonzero(y) == x.size
    np.testing.assert_allclose(y.sum(), x.sum())


@given(enlargements())
def test_means_undo_repetition(case):
    factor, axes, x = case
    repeated = Upsample.create(factor, axes=axes).forward(x)
    np.testing.assert_allclose(MeanPool.create(factor, axes=axes).forward(repeated), x)


@given(enlargements())
def test_upsampling_with_zeros_is_downsampling_pulled_back(case):
    """Each is the other's transpose: <A x, y> = <x, A' y>."""
    factor, axes, x = case
    zeros, drop = UpsampleZeros.create(factor, axes=axes), Downsample.create(factor, axes=axes)
    y = zeros.forward(x)
    np.testing.assert_array_equal(drop.vjp(y)[1](x)[0], y)
    np.testing.assert_array_equal(zeros.vjp(x)[1](y)[0], drop.forward(y))


@pytest.mark.parametrize("cls", KINDS)
@given(case=enlargements())
def test_gradients_are_transposes(cls, case):
    factor, axes, x = case
    y, pull = cls.create(factor, axes=axes).vjp(x)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    np.testing.assert_allclose((y * dy).sum(), (x * pull(dy)[0]).sum(), atol=1e-10)


@given(enlargements())
def test_bilinear_is_linear_between_and_constant_beyond(case):
    """Along each axis: places are half-way points, (o + 1/2) / f - 1/2."""
    factor, axes, x = case
    expected = x
    for axis, f in enumerate(factor, start=1):
        n = expected.shape[axis]
        at = (np.arange(n * f) + 0.5) / f - 0.5
        rows = np.moveaxis(expected, axis, -1)
        flat = [np.interp(at, np.arange(n), row) for row in rows.reshape(-1, n)]
        expected = np.moveaxis(np.reshape(flat, (*rows.shape[:-1], n * f)), -1, axis)
    y = UpsampleBilinear.create(factor, axes=axes).forward(x)
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_bilinear_by_hand():
    x = np.array([0.0, 4.0])[None, :, None]
    assert UpsampleBilinear.create(2, axes=1).forward(x).ravel().tolist() == [0, 1, 3, 4]
    tripled = UpsampleBilinear.create(3, axes=1).forward(x).ravel()
    np.testing.assert_allclose(tripled, [0, 0, 4 / 3, 8 / 3, 4, 4], atol=1e-12)


@given(factor=st.integers(1, 7), index=st.integers(0, 40))
def test_bilinear_windows_are_exactly_what_is_seen(factor, index):
    """The span of an output is the inputs with a weight; its middle is the output's own place."""
    (window,) = UpsampleBilinear.create(factor, axes=1).windows
    place = Fraction(2 * index + 1, 2 * factor) - Fraction(1, 2)
    assert window.centre + index * window.step == place
    x = np.zeros((60, 60, 1))
    x[np.arange(60), np.arange(60), 0] = 1
    weights = UpsampleBilinear.create(factor, axes=1).forward(x)[:, index, 0]
    seen = np.flatnonzero(weights)
    first, past = window.span(index)
    assert (max(0, first), past) == (seen[0], seen[-1] + 1)


@given(stride=st.integers(1, 4), kernel=st.integers(1, 4), seed=st.integers(0, 99))
def test_a_stride_is_dropping(stride, kernel, seed):
    """A strided convolution is the one without stride, of which S - 1 of S outputs are dropped."""
    rng = np.random.default_rng(seed)
    conv = Conv1d.create(rng, 2, 3, kernel, stride=stride)
    plain = Conv1d(conv.weight, conv.bias, (1,), (1,), ((0, 0),))
    net = Sequential((plain, Downsample.create(stride, axes=1)))
    x = rng.standard_normal((2, kernel + int(rng.integers(0, 9)), 2))
    np.testing.assert_allclose(net.forward(x), conv.forward(x), rtol=1e-5, atol=1e-5)
    assert net.windows == conv.windows
    assert net.lengths(x.shape[1:-1]) == conv.lengths(x.shape[1:-1])


def test_zeros_and_a_convolution_are_a_transposed_convolution():
    """What the gradient of a strided convolution does to its input."""
    rng = np.random.default_rng(0)
    conv = Conv2d.create(rng, 1, 1, 3, stride=2, bias=False)
    dy = rng.standard_normal((1, 4, 3, 1))
    dx, _ = conv.vjp(rng.standard_normal((1, 9, 7, 1)))[1](dy)
    turned = Conv2d(conv.weight[::-1, ::-1], None, (1, 1), (1, 1), ((2, 1), (2, 1)))
    net = Sequential((UpsampleZeros.create(2), turned))
    np.testing.assert_allclose(net.forward(dy), dx, atol=1e-6)


@pytest.mark.parametrize("cls", [Downsample, Upsample, UpsampleZeros])
@given(factor=st.integers(1, 4), cuts=st.lists(st.integers(0, 17), max_size=5))
def test_one_dimension_streams(cls, factor, cuts):
    x = np.random.default_rng(0).standard_normal((17, 2))
    net = Sequential((cls.create(factor, axes=1), MeanPool.create(2, stride=1)))
    stream = open_stream(net)
    y = np.concatenate([stream.step(chunk).scores for chunk in np.split(x, sorted(cuts))])
    np.testing.assert_allclose(y, net.forward(x[None])[0])


@pytest.mark.parametrize("cls", [Upsample, UpsampleBilinear])
def test_what_does_not_stream_says_why(cls):
    layer = cls.create(2, axes=2 if cls is Upsample else 1)
    reason = "2 axes" if cls is Upsample else "where the signal ends"
    with pytest.raises(StreamError, match=f"{cls.__name__}.*{reason}"):
        layer.tails(0, 2, np.dtype(float))


@pytest.mark.parametrize("cls", [*KINDS, Downsample])
def test_what_cannot_be_is_refused(cls):
    name = cls.__name__
    with pytest.raises(GeometryError, match=rf"{name}.create: factor: got 0"):
        cls.create(0)
    with pytest.raises(GeometryError, match=rf"{name}: factor: got \(2, -1\)"):
        cls((2, -1))
    with pytest.raises(ShapeError, match=rf"{name}.*\(2, 5, 3\).*4 axes"):
        cls.create(2, axes=2).forward(np.zeros((2, 5, 3)))


def test_nothing_to_interpolate_gives_nothing():
    y, pull = UpsampleBilinear.create(3, axes=1).vjp(np.zeros((2, 0, 4)))
    assert y.shape == (2, 0, 4)
    assert pull(y)[0].shape == (2, 0, 4)


def test_a_factor_of_one_changes_nothing():
    x = np.random.default_rng(0).standard_normal((1, 3, 4, 2))
    for cls in (*KINDS, Downsample):
        layer = cls.create(1)
        np.testing.assert_array_equal(layer.forward(x), x)
        assert layer.windows == (Window(), Window())
