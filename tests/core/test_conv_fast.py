"""The fast ways of a convolution give what the plain one gives: blocks, and fewer products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.layers import Conv1d, Conv2d, Conv3d, correlation, patches, winograd
from cnn_core.layers.correlation import correlate, weight_gradient
from cnn_core.tree import tree_map

BOUND = 2 * np.finfo(np.float32).eps


def double(layer):
    return tree_map(lambda a: a.astype(np.float64), layer)


def by_plain_rows(function):
    """What it gives where every filter takes the plain way."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(winograd, "pays", lambda *_: False)
        return function()


lengths = st.lists(st.integers(2, 9), min_size=1, max_size=3).map(tuple)


@settings(deadline=None, max_examples=60)
@given(lengths, st.integers(1, 3), st.booleans(), st.integers(1, 4000))
def test_fewer_products_give_the_same_sums(lengths, samples, with_bias, block_bytes):
    """Odd sizes, no outputs at all, one to three axes, any number of samples and blocks."""
    rng, ones = np.random.default_rng(1), (1,) * len(lengths)
    x = rng.standard_normal((samples, *lengths, 5))
    weight = rng.standard_normal((*(3,) * len(lengths), 5, 4))
    bias = rng.standard_normal(4) if with_bias else None
    plain = by_plain_rows(lambda: correlate(x, weight, ones, ones, bias=bias))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(patches, "BLOCK_BYTES", block_bytes)
        y = winograd.correlate_threes(x, weight, bias)
    np.testing.assert_allclose(y, plain, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(lengths, st.integers(1, 3), st.integers(1, 4000))
def test_fewer_products_give_the_same_gradient_of_the_filters(lengths, samples, block_bytes):
    """Odd sizes, no outputs at all, one to three axes, any number of samples and blocks."""
    rng, ones, kernel = np.random.default_rng(1), (1,) * len(lengths), (3,) * len(lengths)
    x = rng.standard_normal((samples, *lengths, 5))
    dy = rng.standard_normal((samples, *(max(0, n - 2) for n in lengths), 4))
    plain = by_plain_rows(lambda: weight_gradient(x, dy, kernel, ones, ones))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(winograd, "GRADIENT_BLOCK_BYTES", block_bytes)
        dweight = winograd.weight_gradient_threes(x, dy)
    assert dweight.shape == (*kernel, 5, 4)
    np.testing.assert_allclose(dweight, plain, atol=1e-12)


@pytest.mark.parametrize("padding", ["valid", "same", ((0, 2), (3, 1))])
def test_a_wide_layer_takes_the_fast_way_forward_and_back(padding):
    rng = np.random.default_rng(2)
    layer = double(Conv2d.create(rng, 32, 40, 3, padding=padding))
    x = rng.standard_normal((2, 17, 18, 32))
    assert winograd.pays(x, layer.weight.shape, layer.stride, layer.dilation, layer.groups)
    y, pull = layer.vjp(x)
    dy = rng.standard_normal(y.shape)
    dx, gradient = pull(dy)
    plain, (plain_dx, plain_gradient) = by_plain_rows(
        lambda: (layer.forward(x), layer.vjp(x)[1](dy))
    )

    np.testing.assert_allclose(y, plain, atol=1e-12)
    np.testing.assert_allclose(dx, plain_dx, atol=1e-12)
    np.testing.assert_allclose(gradient.weight, plain_gradient.weight, atol=1e-11)


def test_in_single_precision_they_keep_the_bound_of_the_laws():
    """eps * (terms + 1) * max|x| * max|w| * 2, against the sums in double precision."""
    rng = np.random.default_rng(3)
    layer = Conv2d.create(rng, 64, 64, 3)
    x = rng.standard_normal((1, 24, 24, 64)).astype(np.float32)
    error = np.abs(layer.forward(x) - double(layer).forward(x.astype(np.float64))).max()
    terms = 9 * 64
    assert error <= BOUND * (terms + 1) * np.abs(x).max() * np.abs(layer.weight).max()
    assert error <= 1e-4


@pytest.mark.parametrize(
    "layer",
    [
        Conv2d.create(np.random.default_rng(0), 31, 32, 3),
        Conv2d.create(np.random.default_rng(0), 32, 32, 3, stride=2),
        Conv2d.create(np.random.default_rng(0), 32, 32, 3, dilation=2),
        Conv2d.create(np.random.default_rng(0), 64, 64, 3, groups=2),
        Conv2d.create(np.random.default_rng(0), 32, 32, (3, 1)),
        Conv1d.create(np.random.default_rng(0), 32, 64, 3),
        Conv1d.create(np.random.default_rng(0), 64, 64, 5),
    ],
)
def test_other_filters_go_the_plain_way(layer):
    x = np.zeros((1, *(99,) * layer.axes, layer.channels_in))
    assert not winograd.pays(x, layer.weight.shape, layer.stride, layer.dilation, layer.groups)


@pytest.mark.parametrize(("cls", "lengths"), [(Conv1d, (61,)), (Conv3d, (9, 8, 7))])
def test_signals_and_volumes_take_the_fast_way_too(cls, lengths):
    rng = np.random.default_rng(4)
    layer = double(cls.create(rng, 64, 64, 3))
    x = rng.standard_normal((2, *lengths, 64))
    assert winograd.pays(x, layer.weight.shape, layer.stride, layer.dilation, layer.groups)
    plain = by_plain_rows(lambda: layer.forward(x))
    np.testing.assert_allclose(layer.forward(x), plain, atol=1e-11)


def test_small_maps_go_the_plain_way():
    layer = Conv2d.create(np.random.default_rng(0), 32, 32, 3)
    settings = layer.weight.shape, layer.stride, layer.dilation, layer.groups
    assert not winograd.pays(np.zeros((1, 12, 12, 32)), *settings)
    assert winograd.pays(np.zeros((1, 24, 24, 32)), *settings)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([
        (Conv1d, {"stride": 2}, (3, 40)), (Conv1d, {"groups": 4, "dilation": 2}, (2, 30)),
        (Conv2d, {"padding": "same"}, (3, 9, 8)), (Conv2d, {"groups": 2, "stride": 2}, (2, 12, 7)),
        (Conv3d, {"padding": 1}, (2, 5, 4, 6)),
    ]),
    st.integers(1, 4000),
)  # fmt: skip
def test_blocks_of_any_size_give_the_whole(case, block_bytes):
    cls, chosen, shape = case
    layer = double(cls.create(np.random.default_rng(0), 4, 4, 3, **chosen))
    x = np.random.default_rng(1).standard_normal((*shape, 4))
    y, pull = layer.vjp(x)
    dx, gradient = pull(y)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(patches, "BLOCK_BYTES", block_bytes)
        cut, pull_cut = layer.vjp(x)
        cut_dx, cut_gradient = pull_cut(y)

    np.testing.assert_allclose(cut, y, atol=1e-12)
    np.testing.assert_allclose(cut_dx, dx, atol=1e-11)
    np.testing.assert_allclose(cut_gradient.weight, gradient.weight, rtol=1e-10, atol=1e-10)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple), st.integers(1, 200_000))
def test_blocks_cover_everything_once(counts, item_bytes):
    seen = np.zeros(counts, int)
    for block in patches.cache_blocks(counts, item_bytes):
        seen[block] += 1
        items = seen[block].size
        assert items * item_bytes <= patches.BLOCK_BYTES or items == 1
    assert (seen == 1).all()


@settings(deadline=None)
@given(st.integers(0, 70), st.sampled_from([1, 3, 16, 300, 2000]))
def test_a_bias_is_added_to_every_row(rows, channels):
    rng = np.random.default_rng(0)
    y, bias = rng.standard_normal((rows, channels)), rng.standard_normal(channels)
    expected = y + bias
    patches.add_bias(y, bias)
    np.testing.assert_array_equal(y, expected)


def test_memory_does_not_grow_with_the_windows():
    """The rows of a long signal are never all there: blocks share one piece of memory."""
    layer = Conv1d.create(np.random.default_rng(0), 8, 8, 9)
    x = np.zeros((1, 100_000, 8), np.float32)
    largest = 0
    for _, rows in correlation._row_blocks(x, (9,), (1,), (1,), 1):
        largest = max(largest, rows.nbytes)
    assert largest <= patches.BLOCK_BYTES < layer.forward(x).nbytes


def test_memory_does_not_grow_with_the_last_axis():
    """A wide picture is cut within its rows."""
    layer = Conv2d.create(np.random.default_rng(0), 16, 8, 5)
    x = np.random.default_rng(1).standard_normal((1, 7, 3000, 16)).astype(np.float32)
    y = layer.forward(x)
    blocks = list(correlation._row_blocks(x, (5, 5), (1, 1), (1, 1), 1))

    assert max(rows.nbytes for _, rows in blocks) <= patches.BLOCK_BYTES
    assert len(blocks) > y.shape[1]
    np.testing.assert_allclose(y, layer.forward(x.swapaxes(1, 2).copy().swapaxes(1, 2)))
    parts = [layer.forward(x[:, :, first : first + 504]) for first in range(0, 2996, 500)]
    np.testing.assert_allclose(y, np.concatenate(parts, axis=2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_wide_rows_of_the_fast_way_are_cut_too(bias):
    layer = Conv2d.create(np.random.default_rng(0), 48, 48, 3, bias=bias)
    if bias:
        layer = replace(layer, bias=np.arange(48, dtype=np.float32))
    x = np.random.default_rng(1).standard_normal((1, 5, 900, 48)).astype(np.float32)
    assert winograd.pays(x, layer.weight.shape, (1, 1), (1, 1), 1)

    np.testing.assert_allclose(
        layer.forward(x), by_plain_rows(lambda: layer.forward(x)), rtol=1e-3, atol=1e-4
    )


def test_half_precision_does_not_overflow_in_the_sums():
    """Of two inputs of 40,000 the sum is beyond half precision."""
    layer = Conv2d.create(np.random.default_rng(0), 48, 64, 3, padding="same")
    x = np.full((1, 19, 19, 48), 40_000, np.float16)

    y, pull = layer.vjp_weights(x)
    full, pull_full = layer.vjp_weights(x.astype(np.float32))
    np.testing.assert_array_equal(y, full)
    np.testing.assert_array_equal(pull(full).weight, pull_full(full).weight)
