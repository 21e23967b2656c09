"""Filtering: correlation against convolution, and what each named kernel does to a picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from cnn_core import filters
from cnn_core.errors import GeometryError, ShapeError

sizes = st.sampled_from([1, 3, 5])
seeds = st.integers(0, 2**16)


def picture(seed, shape=(7, 6)):
    return np.random.default_rng(seed).standard_normal(shape)


@given(seeds, sizes, st.sampled_from(["box", "gaussian"]))
def test_both_agree_where_the_kernel_is_symmetric(seed, size, name):
    kernel = getattr(filters, name)(size)
    x = picture(seed)
    np.testing.assert_allclose(filters.correlate(x, kernel), filters.convolve(x, kernel))
    assert kernel.sum() == pytest.approx(1)


def test_they_differ_where_it_is_not():
    x = picture(0)
    assert not np.allclose(
        filters.correlate(x, filters.emboss()), filters.convolve(x, filters.emboss())
    )


@given(seeds, st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_they_are_scipys(seed, shape):
    x, kernel = picture(seed), picture(seed + 1, shape)
    np.testing.assert_allclose(
        filters.correlate(x, kernel, padding="valid"), signal.correlate2d(x, kernel, "valid")
    )
    full = tuple((n - 1, n - 1) for n in shape)
    np.testing.assert_allclose(
        filters.convolve(x, kernel, padding=full), signal.convolve2d(x, kernel), atol=1e-12
    )


@given(seeds)
def test_convolution_may_be_grouped_at_will(seed):
    """x * (a * b) = (x * a) * b, which correlation does not give."""
    x, a, b = picture(seed), picture(seed + 1, (3, 3)), picture(seed + 2, (3, 3))
    once = filters.convolve(x, filters.convolve(a, b, padding=2), padding=4)
    twice = filters.convolve(filters.convolve(x, a, padding=2), b, padding=2)
    np.testing.assert_allclose(once, twice, atol=1e-12)


@given(seeds, sizes)
def test_identity_changes_nothing(seed, size):
    x = picture(seed)
    np.testing.assert_array_equal(filters.correlate(x, filters.identity(size)), x)


@given(seeds, st.integers(-2, 2), st.integers(-2, 2))
def test_shift_moves_the_picture(seed, down, right):
    x = picture(seed)
    moved = np.roll(x, (down, right), (0, 1))
    moved[: max(0, down)], moved[len(x) + min(0, down) :] = 0, 0
    moved[:, : max(0, right)], moved[:, x.shape[1] + min(0, right) :] = 0, 0
    np.testing.assert_array_equal(filters.convolve(x, filters.shift(down, right)), moved)


def test_box_is_the_mean_of_nine():
    assert filters.correlate(np.arange(9.0).reshape(3, 3), filters.box())[1, 1] == pytest.approx(4)


@given(seeds, sizes)
def test_sharpened_is_twice_the_picture_less_its_mean(seed, size):
    x = picture(seed)
    expected = 2 * x - filters.correlate(x, filters.box(size))
    np.testing.assert_allclose(filters.correlate(x, filters.sharpen(size)), expected, atol=1e-12)


def test_plain_colour_has_no_edge_and_keeps_its_brightness_embossed():
    plain = np.full((5, 5), 3.0)
    assert filters.correlate(plain, filters.edge(), padding="valid") == pytest.approx(
        np.zeros((3, 3))
    )
    np.testing.assert_allclose(filters.correlate(plain, filters.emboss(), padding="valid"), 3)
    np.testing.assert_allclose(filters.edge(), [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])


def test_each_channel_is_filtered_alike():
    x = picture(1, (6, 5, 3))
    y = filters.correlate(x, filters.emboss())
    assert y.shape == x.shape
    for channel in range(3):
        np.testing.assert_allclose(
            y[:, :, channel], filters.correlate(x[:, :, channel], filters.emboss())
        )


def test_signals_are_filtered_too():
    x = np.array([0.0, 0.0, 1.0, 0.0])
    kernel = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(filters.convolve(x, kernel), [0, 1, 2, 3])
    np.testing.assert_array_equal(filters.correlate(x, kernel), [0, 3, 2, 1])


@pytest.mark.parametrize("shape", [(0, 5), (4, 0), (0, 0), (6, 5, 0)])
def test_nothing_filtered_is_nothing(shape):
    assert filters.correlate(np.zeros(shape), filters.box()).shape == shape


def test_what_cannot_be_filtered_is_refused_by_name():
    with pytest.raises(ShapeError, match=r"filter: got an input of shape \(4,\) under a kernel"):
        filters.correlate(np.ones(4), filters.box())
    with pytest.raises(GeometryError, match="box: got size 2; expected an odd number"):
        filters.box(2)
    with pytest.raises(GeometryError, match="gaussian: got sigma 0; expected"):
        filters.gaussian(3, 0)
