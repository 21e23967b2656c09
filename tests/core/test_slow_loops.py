"""Every layer against plain loops written from its definition, at any geometry."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings

from cnn_core.layers import Layer, patches, winograd
from cnn_core.tree import leaves
from tests.core.cases import CASES, convolutions, double, draw, pools
from tests.core.slow_loops import REFERENCES, Loop


def test_every_layer_has_a_loop_of_its_own():
    """A layer that is registered is written down here too, and nothing that is gone stays."""
    assert set(REFERENCES) == set(Layer.registry)


def by_loops(layer, x):
    loop = Loop()
    return loop.run(layer, x), loop.multiplications


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_a_layer_computes_its_definition(layer, shape):
    """Outputs, and the multiplications that the layer says it takes."""
    layer = double(layer)
    x = draw(layer, shape, np.random.default_rng(8))
    expected, multiplications = by_loops(layer, x)
    y = layer.forward(x)

    assert y.shape == expected.shape == layer.output_shape(shape)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    assert layer.multiply_adds(shape) == multiplications


@contextmanager
def small_blocks():
    """What is cut into blocks for the cache is cut at every row."""
    with patch.object(patches.cache_blocks, "__defaults__", (1,)):
        yield


@contextmanager
def few_products():
    """Narrow and short convolutions take the way that is meant for wide and long ones."""
    ones = dict.fromkeys((1, 2, 3), 1)
    with (
        patch.object(winograd, "FEWEST_CHANNELS", ones),
        patch.object(winograd, "FEWEST_TILES", dict.fromkeys(ones, 0.01)),
    ):
        yield


@pytest.mark.parametrize("way", [nullcontext, small_blocks])
@settings(deadline=None, max_examples=150)
@given(case=convolutions())
def test_any_convolution_computes_its_definition(way, case):
    """Strides beyond the kernel, padding beyond the input, inputs shorter than the kernel."""
    layer, shape = case
    x = np.random.default_rng(1).standard_normal(shape)
    expected, multiplications = by_loops(layer, x)
    with way():
        y = layer.forward(x)

    assert y.shape == layer.output_shape(shape)
    np.testing.assert_allclose(y, expected)
    assert layer.multiply_adds(shape) == multiplications


@settings(deadline=None, max_examples=80)
@given(case=convolutions(plain=True))
def test_fewer_products_give_the_same(case):
    """Forward and backward by Winograd's sums, odd sizes and single places included."""
    layer, shape = case
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape)
    expected, _ = by_loops(layer, x)
    dy = rng.standard_normal(expected.shape)
    dx, gradient = layer.vjp(x)[1](dy)
    with few_products():
        y, pull = layer.vjp(x)
        fast_dx, fast_gradient = pull(dy)

    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fast_dx, dx, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fast_gradient.weight, gradient.weight, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=100)
@given(case=pools())
def test_any_pool_computes_its_definition(case):
    layer, shape = case
    x = np.random.default_rng(1).standard_normal(shape)
    expected, _ = by_loops(layer, x)

    assert layer.output_shape(shape) == layer.forward(x).shape
    np.testing.assert_allclose(layer.forward(x), expected)


@pytest.mark.parametrize("way", [nullcontext, small_blocks])
@settings(deadline=None, max_examples=100)
@given(case=convolutions() | pools())
def test_any_gradient_is_the_slope(way, case):
    """Central differences along a random direction, input and weights together."""
    with way():
        gradient_is_the_slope(*case)


def gradient_is_the_slope(layer, shape):
    rng = np.random.default_rng(2)
    x, along = rng.standard_normal((2, *shape))
    y, pull = layer.vjp(x)
    dy = rng.standard_normal(y.shape)
    dx, gradient = pull(dy)
    eps = 1e-6
    slope = ((layer.forward(x + eps * along) - layer.forward(x - eps * along)) * dy).sum()

    assert dx.shape == shape
    np.testing.assert_allclose((dx * along).sum(), slope / (2 * eps), rtol=1e-6, atol=1e-7)
    if weights := leaves(layer):
        _, kernel = weights[0]
        # A convolution is linear in its weights: <gradient, weights> is <dy, y - bias>.
        bias = weights[1][1] if len(weights) > 1 else 0.0
        linear = ((y - bias) * dy).sum()
        np.testing.assert_allclose((leaves(gradient)[0][1] * kernel).sum(), linear, atol=1e-9)
