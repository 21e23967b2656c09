"""Convolution: settings and inputs refused by name, and its transposes at any geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from cnn_core.errors import GeometryError, ShapeError
from cnn_core.layers import Conv1d, Conv2d, Conv3d
from cnn_core.layers.separable import depthwise_separable
from cnn_core.tree import count_weights
from tests.core.cases import convolutions

RNG = np.random.default_rng(0)


@settings(deadline=None, max_examples=300)
@given(convolutions())
def test_the_gradients_are_the_transposes_of_the_layer(case):
    """Convolution is linear in its input and in its weights, so <dy, conv(v)> = <dx, v> exactly,
    at any kernel, stride, dilation, padding and groups."""
    layer, shape = case
    rng = np.random.default_rng(1)
    x, v = rng.standard_normal((2, *shape))
    plain = replace(layer, bias=None)
    y, pull = plain.vjp(x)
    dy = rng.standard_normal(y.shape)
    dx, gradient = pull(dy)
    moved = replace(plain, weight=rng.standard_normal(layer.weight.shape))

    assert dx.shape == shape
    np.testing.assert_allclose((dx * v).sum(), (dy * plain.forward(v)).sum(), atol=1e-10)
    np.testing.assert_allclose(
        (gradient.weight * moved.weight).sum(), (dy * moved.forward(x)).sum(), atol=1e-10
    )


def test_a_group_sees_its_own_channels_only():
    layer = Conv1d.create(RNG, 4, 6, 3, groups=2)
    x = RNG.standard_normal((1, 9, 4))
    halves = [
        Conv1d(layer.weight[..., part], None, (1,), (1,), ((0, 0),)).forward(x[..., seen])
        for part, seen in ((slice(0, 3), slice(0, 2)), (slice(3, 6), slice(2, 4)))
    ]
    np.testing.assert_allclose(layer.forward(x), np.concatenate(halves, axis=-1), atol=1e-6)


def test_grouping_divides_weights_and_products():
    whole = Conv2d.create(RNG, 8, 16, 3, padding="same", bias=False)
    halves = Conv2d.create(RNG, 8, 16, 3, padding="same", bias=False, groups=2)
    shape = (1, 10, 10, 8)
    assert count_weights(halves) == count_weights(whole) // 2 == 8 * 16 * 9 // 2
    assert halves.multiply_adds(shape) == whole.multiply_adds(shape) // 2


def test_separable_convolution_has_nm_plus_mk2_weights():
    """M = 32 channels in, N = 64 out, K = 3 where the whole one has N M K^2."""
    net = depthwise_separable(RNG, 32, 64, 3, padding="same")
    shape = (1, 14, 14, 32)
    assert count_weights(net) == 64 * 32 + 32 * 9 == 2_336
    assert net.multiply_adds(shape) == 14 * 14 * 2_336
    assert net.output_shape(shape) == net.forward(np.zeros(shape)).shape == (1, 14, 14, 64)
    strided = depthwise_separable(RNG, 32, 64, 3, stride=2, padding="same", bias=True)
    assert strided.output_shape(shape) == (1, 7, 7, 64)
    assert count_weights(strided) == 2_336 + 32 + 64


def test_causal_outputs_see_nothing_to_come():
    layer = Conv1d.create(RNG, 1, 1, 3, dilation=2, padding="causal")
    x = np.zeros((1, 10, 1))
    x[0, 6] = 1
    y = layer.forward(x)
    assert y.shape == x.shape
    assert not y[0, :6].any()
    assert y[0, 6:].any()


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (Conv2d, {"kernel": (3, 3, 3)}, "Conv2d.create: kernel: got (3, 3, 3); expected 2 numbers"),
        (Conv1d, {"kernel": 0}, "Conv1d.create: kernel: got 0; expected 1 number >= 1"),
        (Conv3d, {"stride": (1, 2)}, "Conv3d.create: stride: got (1, 2); expected 3 numbers >= 1"),
        (Conv2d, {"dilation": 0}, "Conv2d.create: dilation: got 0; expected 2 numbers >= 1"),
        (Conv2d, {"padding": "causal"}, "Conv2d.create: padding: got 'causal' for 2 axes"),
        (Conv2d, {"padding": "full"}, "Conv2d.create: padding: got 'full'; expected \"valid\""),
        (Conv2d, {"padding": -1}, "Conv2d.create: padding: got -1"),
        (Conv2d, {"padding": ((1, 1),)}, "Conv2d.create: padding: got ((1, 1),)"),
        (Conv1d, {"padding": ((0, -1),)}, "Conv1d.create: padding: got ((0, -1),)"),
        (Conv1d, {"padding": ((1,),)}, "1 number of pairs (before, after) >= 0"),
        (Conv1d, {"groups": 3}, "Conv1d.create: groups: got 3; expected a divisor of the 4 chan"),
        (Conv1d, {"groups": 0}, "Conv1d.create: groups: got 0"),
        (Conv1d, {"channels_in": 0}, "Conv1d.create: got 0 channels in, 6 out; expected >= 1"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(cls, settings, message):
    chosen = {"channels_in": 4, "channels_out": 6, "kernel": 3, **settings}
    with pytest.raises(GeometryError) as caught:
        cls.create(RNG, chosen.pop("channels_in"), chosen.pop("channels_out"), **chosen)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "got"),
    [
        ((1, 5, 5), "(1, 5, 5)"),
        ((1, 5, 5, 3), "(1, 5, 5, 3)"),
        ((5, 5, 2, 1, 2), "(5, 5, 2, 1, 2)"),
    ],
)
def test_inputs_of_wrong_rank_or_channels_are_refused_by_name(shape, got):
    layer = Conv2d.create(RNG, 2, 4, 3, groups=2)
    with pytest.raises(ShapeError) as caught:
        layer.forward(np.ones(shape))
    assert str(caught.value) == (
        f"Conv2d(2 -> 4, kernel 3x3, groups 2): got an input of shape {got}; "
        "expected 4 axes with 2 channels last"
    )


def test_lengths_of_wrong_rank_are_refused_by_name():
    with pytest.raises(ShapeError, match=r"got lengths \(5,\); expected 2 swept axes"):
        Conv2d.create(RNG, 2, 4, 3).output_shape((1, 5, 2))


@pytest.mark.parametrize("cls", [Conv1d, Conv2d, Conv3d])
def test_a_kernel_longer_than_its_input_has_no_windows(cls):
    """An empty sum of windows is no error: a short recording has no scores."""
    layer = cls.create(RNG, 2, 3, 4)
    y = layer.forward(np.ones((2, *(3,) * cls.axes, 2)))
    assert y.shape == (2, *(0,) * cls.axes, 3)


def test_an_empty_batch_gives_an_empty_batch():
    layer = Conv2d.create(RNG, 2, 3, 3)
    y, pull = layer.vjp(np.ones((0, 5, 5, 2)))
    dx, gradient = pull(y)
    assert (y.shape, dx.shape) == ((0, 3, 3, 3), (0, 5, 5, 2))
    assert not gradient.weight.any()


def test_a_layer_of_old_files_has_one_group():
    layer = Conv1d(np.ones((3, 2, 4), np.float32), None, (1,), (1,), ((0, 0),))
    assert layer.groups == 1
