"""Worked examples: small cases whose results can be followed by hand, each with its source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnn_core.geometry import Window, conv_window, same_padding
from cnn_core.init import zeros
from cnn_core.layers import (
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Downsample,
    Embedding,
    GlobalMaxPool,
    GlobalMeanPool,
    LocalResponseNorm,
    MaxPool,
    MeanPool,
    NetworkPool,
    NormPool,
    ScanningMlp,
    Sequential,
    Upsample,
    UpsampleBilinear,
    UpsampleZeros,
    depthwise_separable,
    distribute,
)
from cnn_core.tree import count_weights

RNG = np.random.default_rng(0)


def filtered(image, kernel, **settings):
    """One picture (H, W) under one filter (K, L), without bias: (H', W')."""
    kernel = np.asarray(kernel, float)
    layer = Conv2d.create(RNG, 1, 1, kernel.shape, bias=False, **settings)
    layer = replace(layer, weight=kernel[:, :, None, None])
    return layer.forward(np.asarray(image, float)[None, :, :, None])[0, :, :, 0].tolist()


class TestFiveByFive:
    """The 5x5 picture under the 3x3 filter of most lectures (Stanford's UFLDL tutorial, "Feature
    extraction using convolution"; CMU 11-785): sums of the nine products under the filter."""

    IMAGE = (
        (1, 1, 1, 0, 0),
        (0, 1, 1, 1, 0),
        (0, 0, 1, 1, 1),
        (0, 0, 1, 1, 0),
        (0, 1, 1, 0, 0),
    )
    FILTER = ((1, 0, 1), (0, 1, 0), (1, 0, 1))

    def test_every_place(self):
        assert filtered(self.IMAGE, self.FILTER) == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]

    def test_every_second_place(self):
        assert filtered(self.IMAGE, self.FILTER, stride=2) == [[4, 4], [2, 4]]


class TestPaddedThreeByThree:
    """The 3x3 picture 0..8 under a 2x2 filter (Dive into Deep Learning, section 7.3)."""

    IMAGE = np.arange(9).reshape(3, 3)
    FILTER = ((0, 1), (2, 3))

    def test_unpadded(self):
        assert filtered(self.IMAGE, self.FILTER) == [[19, 25], [37, 43]]

    def test_one_zero_on_every_side(self):
        assert filtered(self.IMAGE, self.FILTER, padding=1) == [
            [0, 3, 8, 4],
            [9, 19, 25, 10],
            [21, 37, 43, 16],
            [6, 7, 8, 0],
        ]

    def test_three_down_and_two_across(self):
        assert filtered(self.IMAGE, self.FILTER, padding=1, stride=(3, 2)) == [[0, 8], [6, 8]]


class TestVerticalEdge:
    """Bright left, dark right, under columns of 1, 0, -1 (Ng, Convolutional Neural Networks, 1)."""

    FILTER = ((1, 0, -1),) * 3

    def test_bright_to_dark(self):
        assert filtered([[10, 10, 10, 0, 0, 0]] * 6, self.FILTER) == [[0, 30, 30, 0]] * 4

    def test_dark_to_bright(self):
        assert filtered([[0, 0, 0, 10, 10, 10]] * 6, self.FILTER) == [[0, -30, -30, 0]] * 4

    def test_the_filter_turned_sees_no_vertical_edge(self):
        turned = np.transpose(self.FILTER)

        assert filtered([[10, 10, 10, 0, 0, 0]] * 6, turned) == [[0, 0, 0, 0]] * 4


class TestSizes:
    """Output length floor((N + p - K) / s) + 1 (Karpathy, CS231n, "Spatial arrangement")."""

    @pytest.mark.parametrize(
        ("stride", "padding", "expected"),
        [(1, 0, 5), (2, 0, 3), (3, 0, 2), (1, 1, 7), (2, 1, 4), (3, 1, 3)],
    )
    def test_seven_by_seven_under_three_by_three(self, stride, padding, expected):
        layer = Conv2d.create(RNG, 1, 1, 3, stride=stride, padding=padding)

        assert layer.output_shape((1, 7, 7, 1)) == (1, expected, expected, 1)
        assert layer.forward(np.ones((1, 7, 7, 1))).shape == (1, expected, expected, 1)

    def test_stride_three_leaves_the_last_column_unseen(self):
        """(7 - 3) / 3 is no whole number: "does not fit" in the lecture, one input here."""
        assert conv_window(3, 3).uncovered(7) == 1
        assert conv_window(3, 2).uncovered(7) == 0

    def test_ten_filters_over_a_small_picture(self):
        """32x32x3, ten 5x5 filters, pad 2: the size stays; 76 weights a filter."""
        layer = Conv2d.create(RNG, 3, 10, 5, padding=2)

        assert layer.forward(np.ones((1, 32, 32, 3), np.float32)).shape == (1, 32, 32, 10)
        assert count_weights(layer) == 10 * (5 * 5 * 3 + 1) == 760

    def test_alexnets_first_layer(self):
        """227x227x3 under 96 filters of 11x11 at stride 4: 55x55x96, 34,944 weights."""
        layer = Conv2d.create(RNG, 3, 96, 11, stride=4, initialiser=zeros)

        assert layer.output_shape((1, 227, 227, 3)) == (1, 55, 55, 96)
        assert count_weights(layer) == 34_944
        assert layer.multiply_adds((1, 227, 227, 3)) == 55 * 55 * 96 * 11 * 11 * 3


class TestSamePadding:
    """Odd filters (L-1)/2 on both sides; even ones L/2 before, L/2-1 after (CMU 11-785)."""

    @pytest.mark.parametrize(
        ("kernel", "sides"),
        [(1, (0, 0)), (3, (1, 1)), (5, (2, 2)), (7, (3, 3)), (2, (1, 0)), (4, (2, 1)), (6, (3, 2))],
    )
    def test_sides(self, kernel, sides):
        assert same_padding(kernel) == sides
        layer = Conv1d.create(RNG, 1, 1, kernel, padding="same")
        assert layer.lengths((11,)) == (11,)

    def test_an_even_filter_reads_on_from_before(self):
        """Pairs summed: the first output has a zero before it, none comes after the last input."""
        layer = Conv1d.create(RNG, 1, 1, 2, padding="same", bias=False)
        layer = replace(layer, weight=np.ones((2, 1, 1)))

        assert layer.forward(np.array([[[1.0], [2.0], [3.0]]])).ravel().tolist() == [1, 3, 5]


class TestPooling:
    """2x2 blocks of a 4x4 picture (CS231n, "Pooling layer"; CMU 11-785 for the p-norm)."""

    IMAGE = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], float)

    def pooled(self, layer):
        return layer.forward(self.IMAGE[None, :, :, None])[0, :, :, 0].tolist()

    def test_maximum(self):
        assert self.pooled(MaxPool.create(2, axes=2)) == [[6, 8], [3, 4]]

    def test_mean(self):
        assert self.pooled(MeanPool.create(2, axes=2)) == [[3.25, 5.25], [2, 2]]

    def test_p_norm(self):
        """p = 5 over 1, 1, 5, 6: ((1 + 1 + 3125 + 7776) / 4)^(1/5), near the maximum."""
        assert self.pooled(NormPool.create(2, 5.0, axes=2))[0][0] == pytest.approx(4.865, abs=5e-4)
        mean = self.pooled(NormPool.create(2, 1.0, axes=2))
        np.testing.assert_allclose(mean, [[3.25, 5.25], [2, 2]])

    def test_whole_picture(self):
        assert GlobalMaxPool().forward(self.IMAGE[None, :, :, None]).tolist() == [[8]]
        assert GlobalMeanPool().forward(self.IMAGE[None, :, :, None]).tolist() == [[3.125]]

    def test_a_learned_pool_of_equal_weights_is_the_mean(self):
        net = Dense(np.full((4, 1), 0.25), np.zeros(1))
        assert self.pooled(NetworkPool.create(net, 2, axes=2)) == [[3.25, 5.25], [2, 2]]

    def test_the_gradient_of_the_maximum_goes_where_it_was(self):
        _, pull = MaxPool.create(2, axes=2).vjp(self.IMAGE[None, :, :, None])
        dx, _ = pull(np.array([[10.0, 20], [30, 40]])[None, :, :, None])

        assert dx[0, :, :, 0].tolist() == [
            [0, 0, 0, 0],
            [0, 10, 0, 20],
            [30, 0, 0, 0],
            [0, 0, 0, 40],
        ]

    def test_an_overlapped_maximum_gathers_from_all_its_blocks(self):
        _, pull = MaxPool.create(2, stride=1).vjp(np.array([[[1.0], [9.0], [2.0]]]))

        assert pull(np.array([[[3.0], [4.0]]]))[0].ravel().tolist() == [0, 7, 0]


def test_receptive_field_of_three_small_filters_is_one_large():
    """Three 3x3 layers see 7x7 (Simonyan and Zisserman 2014, 2.3), with 27 C^2 weights, not 49."""
    small = Window() @ conv_window(3) @ conv_window(3) @ conv_window(3)
    weights = 3 * Conv2d.create(RNG, 8, 8, 3, bias=False).weight.size

    assert small == conv_window(7)
    assert weights == 27 * 8**2 < Conv2d.create(RNG, 8, 8, 7, bias=False).weight.size == 49 * 8**2


def test_normalised_batch_by_hand():
    """Four numbers 1, 3, 5, 7: mean 4, variance 5 (divided by the number of samples)."""
    layer = BatchNorm.create(1, momentum=0.9)
    y, pull = layer.vjp(np.array([[[1.0]], [[3.0]], [[5.0]], [[7.0]]]), np.random.default_rng(0))

    np.testing.assert_allclose(y.ravel(), np.array([-3, -1, 1, 3]) / np.sqrt(5 + 1e-5))
    running = layer.mean - pull(y)[1].mean, layer.variance - pull(y)[1].variance
    np.testing.assert_allclose(running, [[0.1 * 4], [0.9 * 1 + 0.1 * 5]])


class TestSeparable:
    """Depth-wise, then 1x1: N M + M K^2 weights instead of N M K^2 (Howard et al. 2017)."""

    def test_weights(self):
        separable = depthwise_separable(RNG, 16, 32, 3)
        full = Conv2d.create(RNG, 16, 32, 3, bias=False)

        assert count_weights(separable) == 32 * 16 + 16 * 9 == 656
        assert count_weights(full) == 32 * 16 * 9 == 4608

    def test_multiplications_shrink_by_one_over_n_plus_one_over_k_squared(self):
        shape = (1, 12, 12, 16)
        separable = depthwise_separable(RNG, 16, 32, 3).multiply_adds(shape)
        full = Conv2d.create(RNG, 16, 32, 3).multiply_adds(shape)

        assert separable / full == pytest.approx(1 / 32 + 1 / 9)


class TestResizing:
    """Downsampling drops S - 1 of S, upsampling puts S - 1 zeros after each (CMU 11-785)."""

    SIGNAL = np.arange(1.0, 7)[None, :, None]

    def test_downsampling_after_a_convolution_is_its_stride(self):
        dense = Conv1d.create(RNG, 1, 2, 3)
        strided = replace(dense, stride=(2,))

        np.testing.assert_array_equal(
            Sequential((dense, Downsample.create(2, axes=1))).forward(self.SIGNAL),
            strided.forward(self.SIGNAL),
        )

    def test_zeros_between(self):
        y = UpsampleZeros.create(3, axes=1).forward(self.SIGNAL[:, :2])

        assert y.ravel().tolist() == [1, 0, 0, 2, 0, 0]

    def test_up_and_down_again(self):
        for up in (UpsampleZeros, Upsample):
            y = up.create(3, axes=1).forward(self.SIGNAL)
            np.testing.assert_array_equal(Downsample.create(3, axes=1).forward(y), self.SIGNAL)

    def test_bilinear_by_hand(self):
        """0 and 4, twice as wide: places -1/4, 1/4, 3/4, 5/4; the ends go on."""
        y = UpsampleBilinear.create(2, axes=1).forward(np.array([[[0.0], [4.0]]]))

        assert y.ravel().tolist() == [0, 1, 3, 4]


def test_response_normalisation_by_hand():
    """Three channels 1, 2, 3, size 3, k = 1, alpha = 1, beta = 1 (Krizhevsky et al. 2012, 3.3)."""
    y = LocalResponseNorm(size=3, alpha=1.0, beta=1.0, k=1.0).forward(np.array([[[1.0, 2, 3]]]))

    np.testing.assert_allclose(y.ravel(), [1 / (1 + 5), 2 / (1 + 14), 3 / (1 + 13)])


def test_a_scanned_network_is_a_stack_of_convolutions():
    """Every window through the network, or layer by layer over the signal: the same numbers for
    fewer multiplications (CMU 11-785, "Scanning for patterns")."""
    scanner = ScanningMlp.create(RNG, (2, 8, 5, 1), 8, block=2)
    layers, x = distribute(scanner), RNG.standard_normal((1, 50, 2))

    np.testing.assert_allclose(layers.forward(x), scanner.forward(x))
    assert layers.multiply_adds(x.shape) < scanner.multiply_adds(x.shape)


def test_words_become_rows():
    """Word numbers choose rows (Zhang and Wallace 2015, figure 1)."""
    rows = np.arange(12.0).reshape(4, 3)

    assert Embedding(rows).forward(np.array([[2, 0]])).tolist() == [[[6, 7, 8], [0, 1, 2]]]
