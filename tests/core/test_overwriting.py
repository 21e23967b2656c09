"""A network may write over what it made itself on the way, and over nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.layers import Conv1d, Identity, Relu, Sequential, Sum
from tests.core.cases import CASES, double, draw

RNG = np.random.default_rng(0)


def conv():
    return Conv1d.create(RNG, 3, 3, 1)


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_the_input_is_left_as_it_was(layer, shape):
    x = draw(layer, shape, np.random.default_rng(1))
    before = x.copy()
    net = Sequential((Identity(), layer, Relu(), Relu()))
    first = net.forward(x)
    kept = first.copy()
    second = net.forward(x)

    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(second, first)


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_overwriting_gives_what_forward_gives(layer, shape):
    layer = double(layer)
    x = draw(layer, shape, np.random.default_rng(2))
    np.testing.assert_array_equal(layer.forward_over(x.copy()), layer.forward(x))


def test_what_a_skip_still_needs_is_not_written_over():
    x = RNG.standard_normal((1, 5, 3))
    first, second = conv(), conv()
    net = Sequential((first, Sum((Identity(), Sequential((Relu(), second))))))
    y = first.forward(x)
    np.testing.assert_array_equal(net.forward(x), y + second.forward(np.maximum(y, 0)))


def test_a_view_of_the_input_is_not_written_over():
    """The skip past a valid convolution is the cropped input."""
    x = -np.ones((1, 5, 3))
    net = Sequential((Sum((Identity(),)), Relu()))
    assert not net.forward(x).any()
    assert (x == -1).all()
