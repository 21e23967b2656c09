"""The table of a network says what the network is."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.errors import ShapeError
from cnn_core.layers import (
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    Flatten,
    Identity,
    Layer,
    Relu,
    Sequential,
    Sum,
    Upsample,
)
from cnn_core.summary import summary
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


def test_an_input_that_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="Conv2d"):
        summary(Conv2d.create(RNG, 3, 4, 3), (1, 20, 3))
