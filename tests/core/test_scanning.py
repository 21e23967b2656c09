"""The scanning MLP against its convolutional forms, and convolution against no sharing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.errors import GeometryError, ShapeError
from cnn_core.layers import Conv1d, Conv2d, Dense, Relu, Sequential
from cnn_core.layers.locally_connected import LocallyConnected1d, LocallyConnected2d
from cnn_core.layers.scanning import ScanningMlp, distribute
from cnn_core.tree import count_weights

RNG = np.random.default_rng(0)


@st.composite
def scanners(draw):
    axes = draw(st.integers(1, 2))
    each = st.lists(st.integers(1, 3), min_size=axes, max_size=axes).map(tuple)
    block, blocks, stride = draw(each), draw(each), draw(each)
    kernel = tuple(b * n for b, n in zip(block, blocks, strict=True))
    channels = (draw(st.integers(1, 2)), 4, *draw(st.sampled_from([(), (3,)])), 2)
    scanner = ScanningMlp.create(
        np.random.default_rng(draw(st.integers(0, 99))), channels, kernel,
        stride=stride, block=block, axes=axes,
    )  # fmt: skip
    extra = draw(each)
    return scanner, (2, *(k + n for k, n in zip(kernel, extra, strict=True)), channels[0])


@settings(deadline=None, max_examples=60)
@given(scanners())
def test_the_distributed_scan_is_every_window_alone(case):
    """Equal outputs, geometry and number of weights."""
    scanner, shape = case
    x = np.random.default_rng(1).standard_normal(shape)
    net = distribute(scanner)
    np.testing.assert_allclose(net.forward(x), scanner.forward(x), atol=1e-6)
    assert net.windows == scanner.windows
    assert net.output_shape(shape) == scanner.output_shape(shape)
    assert count_weights(net) == count_weights(scanner)


def test_a_scanned_perceptron_is_a_convolution_of_the_windows_size():
    """Without blocks nothing is shared between windows, so the products are equally many."""
    scanner = ScanningMlp.create(RNG, (3, 16, 5), (4, 4), stride=2, axes=2)
    first, _, last = distribute(scanner).layers
    assert (first.kernel, first.stride) == ((4, 4), (2, 2))
    assert (last.kernel, last.stride) == ((1, 1), (1, 1))
    shape = (1, 20, 30, 3)
    windows = 9 * 14
    assert scanner.multiply_adds(shape) == windows * (4 * 4 * 3 * 16 + 16 * 5)
    assert distribute(scanner).multiply_adds(shape) == scanner.multiply_adds(shape)


def test_blocks_shared_by_overlapping_windows_are_computed_once():
    """A window of 8 in blocks of 2 over 1,000 places: the first layer costs a quarter."""
    scanner = ScanningMlp.create(RNG, (40, 16, 10, 2), 8, block=2)
    first, second, third = 2 * 40 * 16, 4 * 16 * 10, 10 * 2
    shape = (1, 1000, 40)
    net = distribute(scanner)
    assert scanner.multiply_adds(shape) == 993 * (4 * first + second + third) == 5_739_540
    assert net.multiply_adds(shape) == 999 * first + 993 * (second + third) == 1_934_100
    assert [layer.dilation for layer in net.layers[::2]] == [(1,), (2,), (1,)]


def test_in_a_picture_the_saving_is_squared():
    """A window of 8 x 8 in blocks of 2 x 2: sixteen blocks a window, each computed once."""
    scanner = ScanningMlp.create(RNG, (3, 8, 4), 8, block=2, axes=2)
    shape = (1, 107, 107, 3)
    windows, blocks = 100**2, 106**2
    first, second = 2 * 2 * 3 * 8, 16 * 8 * 4
    assert scanner.multiply_adds(shape) == windows * (16 * first + second)
    assert distribute(scanner).multiply_adds(shape) == blocks * first + windows * second


def test_a_block_that_strides_do_not_divide_is_hopped_over_together():
    """Stride 4 and blocks of 6: blocks begin at every second place, windows at every second."""
    net = distribute(ScanningMlp.create(RNG, (1, 2, 2), 12, stride=4, block=6))
    first, _, second = net.layers
    assert (first.stride, second.dilation, second.stride) == ((2,), (3,), (2,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block": (3,)}, "block: got (3,) in a window of (4,); expected a divisor"),
        ({"mlp": Sequential((Relu(),))}, "mlp: got ['Relu']; expected a dense layer first"),
        (
            {"mlp": Sequential((Dense.create(RNG, 4, 2),)), "block": (2,)},
            "expected a second dense layer",
        ),
    ],
)
def test_what_cannot_scan_is_refused_by_name(change, message):
    scanner = ScanningMlp.create(RNG, (2, 4, 3), 4)
    with pytest.raises(GeometryError) as caught:
        replace(scanner, **change)
    assert message in str(caught.value)


def test_an_input_that_does_not_fit_is_refused_by_name():
    scanner = ScanningMlp.create(RNG, (2, 4, 3), 4)
    with pytest.raises(ShapeError, match=r"ScanningMlp: got an input of shape \(1, 9, 5\); exp"):
        scanner.forward(np.ones((1, 9, 5)))


@pytest.mark.parametrize(("kind", "conv", "lengths"), [
    (LocallyConnected1d, Conv1d, (9,)), (LocallyConnected2d, Conv2d, (7, 6)),
])  # fmt: skip
def test_equal_weights_at_every_place_are_a_convolution(kind, conv, lengths):
    """The contrast in one test: the same numbers, as many times over as there are places."""
    shared = conv.create(RNG, 2, 3, 3, stride=2)
    local = kind.create(RNG, lengths, 2, 3, 3, stride=2)
    same = replace(local, weight=np.broadcast_to(shared.weight, local.weight.shape))
    x = RNG.standard_normal((2, *lengths, 2))
    np.testing.assert_allclose(same.forward(x), shared.forward(x), atol=1e-6)
    assert same.multiply_adds(x.shape) == shared.multiply_adds(x.shape)
    assert count_weights(local) == np.prod(local.counts) * count_weights(shared)


def test_a_moved_pattern_is_seen_by_the_convolution_only():
    x = np.zeros((1, 9, 1))
    x[0, 2:5, 0] = 1
    moved = np.roll(x, 2, axis=1)
    shared, local = Conv1d.create(RNG, 1, 1, 3), LocallyConnected1d.create(RNG, 9, 1, 1, 3)
    np.testing.assert_allclose(shared.forward(moved)[0, 4], shared.forward(x)[0, 2])
    assert not np.allclose(local.forward(moved)[0, 4], local.forward(x)[0, 2])


def test_a_locally_connected_layer_belongs_to_one_size():
    layer = LocallyConnected1d.create(RNG, 9, 2, 1, 3)
    with pytest.raises(GeometryError, match="cannot be swept; use a convolution"):
        _ = layer.windows
    with pytest.raises(ShapeError, match=r"got lengths \(10,\); expected those of \(7,\) places"):
        layer.forward(np.ones((1, 10, 2)))
    with pytest.raises(GeometryError, match=r"kernel: got \(10,\) for inputs of \(9,\)"):
        LocallyConnected1d.create(RNG, 9, 2, 1, 10)
