"""Pointwise functions: identities between them, and values where exponentials give out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from cnn_core.errors import GeometryError
from cnn_core.layers import LeakyRelu, LogSoftmax, Relu, Sigmoid, Silu, Softmax, Tanh

numbers = arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(1, 5)),
    elements=st.floats(-40, 40),
)
EXTREMES = np.array([[-1e4, -100.0, -89.0, -1e-30, 0.0, 1e-30, 89.0, 100.0, 1e4]])


@given(numbers)
def test_relus_split_a_number_into_its_parts(x):
    """x = relu(x) - relu(-x); a leaky one mixes them by its slope."""
    relu = Relu()
    np.testing.assert_array_equal(relu.forward(x) - relu.forward(-x), x)
    leaky = LeakyRelu(0.2)
    np.testing.assert_allclose(leaky.forward(x), relu.forward(x) - 0.2 * relu.forward(-x))
    np.testing.assert_array_equal(LeakyRelu(1.0).forward(x), x)
    np.testing.assert_array_equal(LeakyRelu(0.0).forward(x), relu.forward(x))


@given(numbers)
def test_one_function_in_three_dresses(x):
    """tanh(x) = 2 sigmoid(2x) - 1, silu(x) = x sigmoid(x); a softmax of (x, 0) is a sigmoid."""
    sigmoid = Sigmoid().forward(x)
    np.testing.assert_allclose(Tanh().forward(x / 2), 2 * sigmoid - 1, atol=1e-14)
    np.testing.assert_allclose(Silu().forward(x), x * sigmoid, atol=1e-14)
    two = Softmax().forward(np.stack([x, np.zeros_like(x)], axis=-1))
    np.testing.assert_allclose(two[..., 0], sigmoid, atol=1e-14)


@given(numbers, st.floats(-1e6, 1e6))
def test_softmax_is_a_distribution_that_shifts_leave(x, shift):
    y = Softmax().forward(x)
    np.testing.assert_allclose(y.sum(axis=-1), 1)
    assert (y >= 0).all()
    np.testing.assert_allclose(Softmax().forward(x + shift), y, atol=1e-8)
    np.testing.assert_allclose(np.exp(LogSoftmax().forward(x)), y, atol=1e-14)


@pytest.mark.parametrize("layer", [Sigmoid(), Tanh(), Silu(), Softmax(), LogSoftmax()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_overflows(layer, dtype):
    """Values and slopes are finite at any size, without a warning."""
    x = EXTREMES.astype(dtype)
    with np.errstate(all="raise", under="ignore"):
        y, pull = layer.vjp(x)
        dx, _ = pull(np.ones_like(y))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()
    assert y.dtype == dx.dtype == dtype


def test_a_sigmoid_keeps_its_precision_far_from_zero():
    """To a few units in the last place, where it is as small as 1e-38."""
    x = np.linspace(-87, 87, 2001, dtype=np.float32)
    exact = expit(x.astype(np.float64))
    np.testing.assert_allclose(Sigmoid().forward(x), exact, rtol=6e-7)


def test_a_log_softmax_stays_finite_where_a_softmax_is_zero():
    x = np.array([[0.0, -2000.0]])
    assert Softmax().forward(x).tolist() == [[1, 0]]
    assert LogSoftmax().forward(x).tolist() == [[0, -2000]]


def test_slopes_at_zero():
    """A ReLU's slope at 0 is 0, a leaky one's its slope: as in PyTorch."""
    x = np.zeros((1, 2))
    for layer, slope in ((Relu(), 0.0), (LeakyRelu(0.25), 0.25)):
        dx, _ = layer.vjp(x)[1](np.ones_like(x))
        assert (dx == slope).all()


@pytest.mark.parametrize("slope", [-0.1, 1.5, np.nan])
def test_a_slope_beyond_one_is_refused(slope):
    with pytest.raises(GeometryError, match=r"LeakyRelu: slope: got .*; expected 0\.\.1"):
        LeakyRelu(slope)
