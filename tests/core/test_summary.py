"""The table of a network says what the network is."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.errors import CoreError, GeometryError, ShapeError
from cnn_core.init import zeros
from cnn_core.layers import (
    BatchNorm,
    Bias,
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    Embedding,
    Flatten,
    Identity,
    Layer,
    LocallyConnected1d,
    MaxPool,
    Relu,
    ScanningMlp,
    Sequential,
    Sum,
    Upsample,
)
from cnn_core.networks import alexnet
from cnn_core.summary import summary, times
from cnn_core.tree import count_weights

RNG = np.random.default_rng(0)
CASES = [
    pytest.param(layer, shape, id=f"{name}-{index}")
    for name, kind in sorted(Layer.registry.items())
    for index, (layer, shape) in enumerate(kind.examples(np.random.default_rng(7)))
]


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_totals_and_the_last_shape_are_the_networks_own(layer, shape):
    """Nothing is counted twice or left out, whatever is nested in what."""
    table = summary(layer, shape)

    assert table.parameters == count_weights(layer)
    assert table.multiply_adds == layer.multiply_adds(shape)
    whole = [row for row in table.rows if row.depth == 0]
    assert whole[-1].output_shape == layer.output_shape(shape)
    assert str(table).count("\n") == len(table.rows) + 1


def test_a_residual_network_is_read_from_top_to_bottom():
    """Branches follow the layer that joins them, indented; fields and strides are the network's."""
    inner = Sequential((Conv1d.create(RNG, 4, 4, 3), Relu()))
    first = Conv1d.create(RNG, 2, 4, 5, stride=2)
    net = Sequential((first, Sum((Identity(), inner)), Conv1d.create(RNG, 4, 1, 1, bias=False)))

    assert (
        str(summary(net, (1, 21, 2)))
        == """\
       layer                       output     parameters  multiply-adds  sees  stride
0      Conv1d(2 -> 4, kernel 5)    1 x 9 x 4          44            360  5     2
1      Sum                         1 x 7 x 4                             9     2
1.0      Identity                  1 x 9 x 4                             5     2
1.1.0    Conv1d(4 -> 4, kernel 3)  1 x 7 x 4          52            336  9     2
1.1.1    Relu                      1 x 7 x 4                             9     2
2      Conv1d(4 -> 1, kernel 1)    1 x 7 x 1           4             28  9     2
100 parameters, 724 multiply-adds for an input of 1 x 21 x 2"""
    )


def test_no_window_is_told_once_all_places_are_joined():
    """Flatten ends the geometry, not the table."""
    net = Sequential((Conv2d.create(RNG, 1, 2, 3), Flatten(), Dense.create(RNG, 2 * 9, 4), Relu()))
    rows = summary(net, (2, 5, 5, 1)).rows

    assert [row.receptive_field for row in rows] == [(3, 3), None, None, None]
    assert [row.stride for row in rows] == [(1.0, 1.0), None, None, None]
    assert rows[-1].output_shape == (2, 4)


def test_three_axes_and_steps_below_one():
    """Video is told like everything else, and so is upsampling, slack included."""
    video = summary(Conv3d.create(RNG, 1, 2, (1, 2, 3), stride=(1, 2, 2)), (1, 4, 8, 9, 1))
    up = summary(Upsample.create(4, axes=1), (1, 3, 2)).rows[0]

    assert video.rows[0].receptive_field == (1, 2, 3)
    assert "1 x 2 x 3  1 x 2 x 2" in str(video)
    assert (up.receptive_field, up.stride) == ((2,), (0.25,))


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_what_forward_refuses_the_shape_refuses(layer, shape):
    """One channel more, an axis more and one less: wrong inputs are told without computing."""
    for wrong in ((*shape[:-1], shape[-1] + 1), (*shape[:2], *shape[1:]), shape[:1] + shape[2:]):
        if len(wrong) < 2:
            continue
        dtype = np.intp if isinstance(layer, Embedding) else np.float64
        try:
            expected = layer.forward(np.zeros(wrong, dtype)).shape
        except CoreError:
            with pytest.raises(CoreError):
                layer.output_shape(wrong)
        else:
            assert layer.output_shape(wrong) == expected


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (Conv2d.create(RNG, 3, 4, 3), (1, 20, 3), "2 swept axes"),
        (Conv2d.create(RNG, 3, 4, 3), (1, 9, 9, 1), "3 channels last"),
        (Dense.create(RNG, 8, 16), (1, 9), "8 channels last"),
        (BatchNorm.create(4), (1, 9, 3), "4 channels last"),
        (Bias.create(4), (1, 9, 3), "4 channels last"),
        (LocallyConnected1d.create(RNG, 9, 2, 3, 3), (1, 9, 3), "2 channels last"),
        (ScanningMlp.create(RNG, (2, 4, 3), 4), (1, 9, 3), "2 channels last"),
        (Conv1d.create(RNG, 2, 3, 5), (1, 4, 2), "leaves nothing"),
        (MaxPool.create(2, axes=2), (1, 9, 1, 3), "leaves nothing"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(layer, shape, expected):
    with pytest.raises((ShapeError, GeometryError), match=f"^{type(layer).__name__}.*{expected}"):
        summary(layer, shape)


def test_a_network_whose_maps_run_out_is_refused_where_they_do():
    """AlexNet on 64 x 64: its last pool has nothing left, and the dense layer never comes."""
    net = alexnet(RNG, initialiser=zeros)
    with pytest.raises(ShapeError, match=r"Conv2d.*3 channels last"):
        summary(net, (1, 227, 227, 1))
    with pytest.raises(GeometryError, match=r"MaxPool.*leaves nothing of .*\(1, 2, 2, 256\)"):
        summary(net, (1, 64, 64, 3))


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ((56, 56, 64), "56 x 56 x 64"),
        ((1.5, 0.25), "1.5 x 0.25"),
        ((1234567,), "1,234,567"),
        ((1 / 3, 2.0), "0.333333 x 2"),
        ((), ""),
    ],
)
def test_sizes_are_told_as_they_are(sizes, text):
    assert times(sizes) == text


def test_a_stride_between_whole_numbers_is_told():
    """A convolution at stride 3 and an upsampling by 2: an output every 1.5 inputs."""
    net = Sequential((Conv1d.create(RNG, 1, 1, 3, stride=3), Upsample.create(2, axes=1)))

    assert str(summary(net, (1, 12, 1))).splitlines()[2].endswith("1.5")
