"""Pools: worked blocks, padding, ties, laws between the kinds, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn_core.layers.blocks as blocks
from cnn_core.errors import GeometryError, ShapeError, StreamError
from cnn_core.layers import (
    Dense,
    Downsample,
    GlobalMaxPool,
    GlobalMeanPool,
    MaxPool,
    MeanPool,
    NetworkPool,
    NormPool,
    Relu,
    Sequential,
    SumPool,
)
from cnn_core.stream import open_stream

BLOCK = np.array([[1.0, 1.0], [5.0, 6.0]])[None, :, :, None]


@st.composite
def geometries(draw):
    """(kernel, stride, padding, axes) with an input that they fit, in one to three dimensions."""
    axes = draw(st.integers(1, 3))

    def numbers(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel = numbers(1, 4 - axes // 2)
    padding = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in kernel)
    setting = {"stride": numbers(1, 4), "padding": padding, "axes": axes}
    x = np.random.default_rng(draw(st.integers(0, 99))).standard_normal(
        (draw(st.integers(1, 3)), *numbers(1, 7), draw(st.integers(1, 3)))
    )
    return kernel, setting, x


def gradient(layer, x, dy):
    return layer.vjp(x)[1](dy)[0]


def check_equal(one, other, x, tolerance=1e-12):
    """Equal outputs and equal gradients."""
    y = one.forward(x)
    np.testing.assert_allclose(y, other.forward(x), atol=tolerance)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    np.testing.assert_allclose(gradient(one, x, dy), gradient(other, x, dy), atol=tolerance)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (MaxPool.create(2, axes=2), 6.0),
        (SumPool.create(2, axes=2), 13.0),
        (MeanPool.create(2, axes=2), 3.25),
        (NormPool.create(2, 5.0, axes=2), 4.865),
        (NormPool.create(2, 1.0, axes=2), 3.25),
    ],
)
def test_the_lectures_block(layer, expected):
    """The block [[1, 1], [5, 6]]; the p-norm is of the mean, where PyTorch's is of the sum."""
    assert layer.forward(BLOCK).item() == pytest.approx(expected, abs=5e-4)


@given(geometries())
def test_kinds_agree_where_they_must(case):
    """Sum is the mean times the places; norm 1 the mean of sizes, norm 2 the root mean square."""
    kernel, setting, x = case
    places = np.prod(kernel)
    mean = MeanPool.create(kernel, **setting)
    total = SumPool.create(kernel, **setting)
    np.testing.assert_allclose(total.forward(x), mean.forward(x) * places, atol=1e-12)
    first, second = (NormPool.create(kernel, p, **setting) for p in (1.0, 2.0))
    np.testing.assert_allclose(first.forward(x), mean.forward(np.abs(x)), atol=1e-12)
    np.testing.assert_allclose(second.forward(x) ** 2, mean.forward(x * x), atol=1e-12)


@given(geometries(), st.floats(1.0, 50.0), st.floats(0.01, 100.0))
def test_norms_grow_towards_the_maximum(case, p, more):
    """A power mean grows with p, never beyond the largest; sizes scale it."""
    kernel, setting, x = case
    lower, higher = (NormPool.create(kernel, q, **setting).forward(x) for q in (p, p + more))
    largest = MaxPool.create(kernel, **setting).forward(np.abs(x))
    assert (lower <= higher + 1e-12).all()
    assert (higher <= largest + 1e-12).all()
    scaled = NormPool.create(kernel, p, **setting).forward(-3 * x)
    np.testing.assert_allclose(scaled, 3 * lower, atol=1e-12)


@given(geometries())
def test_a_large_norm_is_the_maximum(case):
    kernel, setting, x = case
    largest = MaxPool.create(kernel, **setting).forward(np.abs(x))
    norm = NormPool.create(kernel, 1e4, **setting).forward(x)
    np.testing.assert_allclose(norm, largest, rtol=1e-3)


@pytest.mark.parametrize("p", [1.0, 2.0, 5.0, 300.0])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1e30])
def test_norms_are_finite_for_any_size_and_power(p, size):
    """In single precision, where size^p would vanish or overflow; a zero block has no slope."""
    x = (size * np.array([0.0, 1, -2, 3])).astype(np.float32)[None, :, None]
    with np.errstate(all="raise", under="ignore"):
        y, pull = NormPool.create(2, p).vjp(x)
        dx, _ = pull(np.ones_like(y))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()
    assert (dx[x == 0] == 0).all()
    if size and p == 300:
        np.testing.assert_allclose(y.ravel(), size * np.array([1, 3]), rtol=0.01)


@given(geometries())
def test_a_learned_pool_of_equal_weights_is_the_mean(case):
    kernel, setting, x = case
    places = int(np.prod(kernel))
    dense = Dense(np.full((places, 1), 1 / places), np.zeros(1))
    check_equal(NetworkPool.create(dense, kernel, **setting), MeanPool.create(kernel, **setting), x)


def test_a_learned_pool_learns_with_all_blocks():
    """The gradient of the shared network is the sum over blocks and channels."""
    rng = np.random.default_rng(0)
    net = Sequential((Dense.create(rng, 2, 3), Relu(), Dense.create(rng, 3, 1)))
    x = rng.standard_normal((1, 6, 2))
    y, pull = NetworkPool.create(net, 2).vjp(x)
    _, gradient = pull(np.ones_like(y))
    parts = [
        net.vjp(x[0, i : i + 2, c][None])[1](np.ones((1, 1)))[1].layers[0].weight
        for i in (0, 2, 4)
        for c in (0, 1)
    ]
    np.testing.assert_allclose(gradient.net.layers[0].weight, sum(parts))


@given(geometries())
def test_one_place_apart_is_downsampling(case):
    _, setting, x = case
    axes, stride = setting["axes"], setting["stride"]
    down = Downsample.create(stride, axes=axes)
    for cls in (MaxPool, SumPool, MeanPool):
        check_equal(cls.create(1, stride=stride, axes=axes), down, x)


@given(geometries())
def test_padding_never_wins_a_maximum(case):
    """Also where all inputs are below zero: as if blocks were cut off at the border."""
    kernel, setting, x = case
    x = -1 - np.abs(x)
    y = MaxPool.create(kernel, **setting).forward(x)
    padded = np.full((len(x), *(n + 8 for n in x.shape[1:-1]), x.shape[-1]), -1e9)
    sides = zip(setting["padding"], x.shape[1:-1], strict=True)
    inner = tuple(slice(before, before + n) for (before, _), n in sides)
    padded[(slice(None), *inner)] = x
    free = MaxPool.create(kernel, stride=setting["stride"], axes=setting["axes"]).forward(padded)
    shown = tuple(slice(0, n) for n in y.shape[1:-1])
    np.testing.assert_array_equal(y, free[(slice(None), *shown)])
    assert (y < 0).all()


def test_means_and_sums_count_padding_as_zeros():
    x = np.array([4.0, 2.0])[None, :, None]
    assert MeanPool.create(2, padding=1).forward(x).ravel().tolist() == [2.0, 1.0]
    assert SumPool.create(2, padding=1).forward(x).ravel().tolist() == [4.0, 2.0]


def test_overlapping_maxima_add_up():
    """The 9 wins four blocks of 2 x 2, one apart."""
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1, 0] = 9
    y, pull = MaxPool.create(2, stride=1, axes=2).vjp(x)
    assert (y == 9).all()
    dx, _ = pull(np.array([[1.0, 2.0], [4.0, 8.0]])[None, :, :, None])
    assert dx[0, :, :, 0].tolist() == [[0, 0, 0], [0, 15, 0], [0, 0, 0]]


def test_of_equal_inputs_the_first_takes_the_gradient():
    """In row-major order, as in PyTorch; after a ReLU whole blocks are zero."""
    x = np.array([[0.0, 2.0], [2.0, 2.0]])[None, :, :, None]
    layer = MaxPool.create(2, axes=2)
    assert gradient(layer, x, np.ones((1, 1, 1, 1)))[0, :, :, 0].tolist() == [[0, 1], [0, 0]]
    assert gradient(layer, 0 * x, np.ones((1, 1, 1, 1)))[0, :, :, 0].tolist() == [[1, 0], [0, 0]]


def test_a_kernel_of_more_places_than_a_byte_counts():
    x = np.random.default_rng(0).permutation(700.0 * np.arange(1, 601))[None, :, None]
    dx = gradient(MaxPool.create(600), x, np.ones((1, 1, 1)))
    assert dx.argmax() == x.argmax()
    assert dx.sum() == 1


@settings(deadline=None, max_examples=30)
@given(geometries())
def test_pieces_are_the_whole(case):
    """However little is worked on at a time."""
    kernel, setting, x = case
    whole = blocks.PIECE_BYTES
    for cls in (MaxPool, MeanPool, NormPool):
        layer = cls.create(kernel, **setting)
        y, pull = layer.vjp(x)
        dx, forward = pull(y)[0], layer.forward(x)
        blocks.PIECE_BYTES = 1
        try:
            pieces, pull = layer.vjp(x)
            np.testing.assert_array_equal(pieces, y)
            np.testing.assert_array_equal(layer.forward(x), forward)
            np.testing.assert_allclose(pull(y)[0], dx, atol=1e-12)
        finally:
            blocks.PIECE_BYTES = whole


@given(geometries())
def test_linear_pools_transpose(case):
    """<A x, y> = <x, A' y>."""
    kernel, setting, x = case
    for cls in (SumPool, MeanPool):
        y, pull = cls.create(kernel, **setting).vjp(x)
        dy = np.random.default_rng(1).standard_normal(y.shape)
        np.testing.assert_allclose((y * dy).sum(), (x * pull(dy)[0]).sum(), atol=1e-9)


@given(st.integers(0, 99), st.integers(1, 3))
def test_global_pools_are_pools_of_everything(seed, axes):
    rng = np.random.default_rng(seed)
    lengths = tuple(rng.integers(1, 5, axes).tolist())
    x = rng.standard_normal((2, *lengths, 3))
    for whole, part in ((GlobalMaxPool(), MaxPool), (GlobalMeanPool(), MeanPool)):
        pool = part.create(lengths, axes=axes)
        y = whole.forward(x)
        assert y.shape == whole.output_shape(x.shape) == (2, 3)
        np.testing.assert_allclose(y, pool.forward(x).reshape(2, 3), atol=1e-12)
        dy = rng.standard_normal((2, 3))
        expected = gradient(pool, x, dy.reshape(2, *(1,) * axes, 3))
        np.testing.assert_allclose(gradient(whole, x, dy), expected, atol=1e-12)


@pytest.mark.parametrize("cls", [MaxPool, SumPool, MeanPool, NormPool])
def test_causal_pools_stream(cls):
    """Padding in front is what a stream has before its first input, however low its maximum is."""
    x = -5 + np.random.default_rng(0).standard_normal((23, 2))
    layer = cls.create(4, stride=3, padding="causal")
    stream = open_stream(layer)
    y = np.concatenate([stream.step(chunk).scores for chunk in np.split(x, [1, 2, 9, 9, 20])])
    np.testing.assert_allclose(y, layer.forward(x[None])[0])


def test_padding_behind_does_not_stream():
    with pytest.raises(StreamError, match="MaxPool"):
        open_stream(MaxPool.create(3, padding=1)).step(np.zeros((5, 1)))


@pytest.mark.parametrize("cls", [MaxPool, SumPool, MeanPool, NormPool])
@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"kernel": 0}, "kernel.*got 0"),
        ({"kernel": 2, "stride": 0}, "stride.*got 0"),
        ({"kernel": 2, "padding": 2}, "padding.*less than the kernel"),
        ({"kernel": (2, 2), "axes": 1}, r"kernel.*\(2, 2\)"),
        ({"kernel": 2, "padding": "some"}, "padding.*some"),
    ],
)
def test_settings_that_cannot_be(cls, setting, expected):
    with pytest.raises(GeometryError, match=f"{cls.__name__}.*{expected}"):
        cls.create(**setting)


@pytest.mark.parametrize("p", [0.5, 0.0, -1.0, np.inf, np.nan])
def test_a_power_below_one_is_no_norm(p):
    with pytest.raises(GeometryError, match=r"NormPool.*p: got"):
        NormPool.create(2, p)


def test_a_learned_pool_needs_a_network_that_fits():
    rng = np.random.default_rng(0)
    with pytest.raises(ShapeError, match=r"net: gives \(1, 2\)"):
        NetworkPool.create(Dense.create(rng, 4, 2), 2, axes=2)
    with pytest.raises(ShapeError, match=r"Dense.*\(1, 4\).*3 channels"):
        NetworkPool.create(Dense.create(rng, 3, 1), 2, axes=2)


def test_what_pools_cannot_read():
    with pytest.raises(ShapeError, match=r"MaxPool.*\(2, 3\).*4 axes"):
        MaxPool.create(2, axes=2).forward(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"GlobalMaxPool.*at least one place"):
        GlobalMaxPool().forward(np.zeros((2, 0, 3)))
    with pytest.raises(GeometryError, match="cannot be swept; use MaxPool"):
        _ = GlobalMaxPool().windows
