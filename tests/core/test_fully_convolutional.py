"""A classifier of one fixed window becomes a sweep with the window's own score at every place."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.errors import GeometryError
from cnn_core.fully_convolutional import fully_convolutional
from cnn_core.layers import (
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    Dropout,
    Flatten,
    GlobalMaxPool,
    GlobalMeanPool,
    MaxPool,
    Relu,
    Sequential,
    Softmax,
)
from cnn_core.networks import alexnet, lenet5, resnet18, vgg16
from cnn_core.scan import scan
from cnn_core.tree import count_weights, tree_map


def double(layer):
    return tree_map(lambda a: a.astype(np.float64), layer)


def _classifier(rng, axes, window, channels=2):
    """Convolution and pool, then dense layers over all of the window."""
    conv = (Conv1d, Conv2d, Conv3d)[axes - 1]
    body = conv.create(rng, channels, 3, 2), Relu(), MaxPool.create(2, axes=axes)
    places = np.prod([(n - 1) // 2 for n in window])
    hidden = Dense.create(rng, 3 * int(places), 5)
    head = Flatten(), Dropout(0.5), hidden, Relu(), Dense.create(rng, 5, 4), Softmax()
    return double(Sequential((*body, *head)))


@pytest.mark.parametrize("window", [(7,), (5, 7), (3, 5, 3)])
def test_every_window_has_the_classifiers_score(window):
    rng = np.random.default_rng(len(window))
    net = _classifier(rng, len(window), window)
    sweep = fully_convolutional(net, window, 2)
    assert count_weights(sweep) == count_weights(net)
    x = rng.standard_normal((1, *(n + 3 for n in window), 2))
    scores = scan(sweep, x, stride=1)
    assert scores.scores.shape == (1, *(4 for _ in window), 4)
    for index in np.ndindex(*scores.scores.shape[1:-1]):
        cut = x[(slice(None), *(slice(i, i + n) for i, n in zip(index, window, strict=True)))]
        np.testing.assert_allclose(scores.scores[(0, *index)], net.forward(cut)[0], atol=1e-12)


def test_global_pools_and_heads_become_windows():
    rng = np.random.default_rng(0)
    mean = Sequential((Conv1d.create(rng, 2, 3, 3), GlobalMeanPool()))
    best = Sequential((Conv1d.create(rng, 2, 3, 4), GlobalMaxPool(), Dense.create(rng, 3, 2)))
    flat = Sequential((Flatten(), Dense.create(rng, 18, 1)))
    net = double(Sequential((Concat((mean, best, flat)), Relu())))
    sweep = fully_convolutional(net, (9,), 2)
    x = rng.standard_normal((2, 14, 2))
    scores = sweep.forward(x)
    assert scores.shape == (2, 6, 6)
    for i in range(6):
        np.testing.assert_allclose(scores[:, i], net.forward(x[:, i : i + 9]), atol=1e-12)


def test_what_fits_one_size_only_is_refused_by_name():
    rng = np.random.default_rng(0)
    head = Flatten(), BatchNorm.create(8), Dense.create(rng, 8, 1)
    with pytest.raises(GeometryError, match="BatchNorm between Flatten and a dense layer"):
        fully_convolutional(Sequential(head), (4,), 2)
    with pytest.raises(GeometryError, match=r"8 inputs behind \(5,\) places of 2 channels"):
        fully_convolutional(Sequential((Flatten(), Dense.create(rng, 8, 1))), (5,), 2)


def test_lenet_reads_every_window_of_a_page():
    """LeNet-5 as published, 32 x 32 digits, at every fourth pixel: its own stride, and denser."""
    rng = np.random.default_rng(1)
    net = double(lenet5(rng))
    sweep = fully_convolutional(net, (32, 32), 1)
    x = rng.standard_normal((1, 38, 40, 1))
    for stride in (4, 2, 1):
        scores = scan(sweep, x, stride=stride).scores[0]
        assert scores.shape[:2] == (6 // stride + 1, 8 // stride + 1)
        last = np.array(scores.shape[:2]) - 1
        top, left = last * stride
        alone = net.forward(x[:, top : top + 32, left : left + 32])[0]
        np.testing.assert_allclose(scores[tuple(last)], alone, atol=1e-10)


@pytest.mark.parametrize("build", [alexnet, resnet18, vgg16])
def test_published_networks_sweep_whole_in_tiles_and_denser(build):
    """Their own window's score, and at half their stride of 32 every other score is theirs."""
    rng = np.random.default_rng(2)
    net = double(build(rng, classes=3, width=1 / 32))
    side = 227 if build is alexnet else 224
    sweep = fully_convolutional(net, (side, side), 3)
    x = rng.standard_normal((1, side + 64, side + 32, 3))
    own = x[:, :side, :side]
    np.testing.assert_allclose(sweep.forward(own)[0, 0, 0], net.forward(own)[0], rtol=1e-9)
    whole = scan(sweep, x).scores
    assert whole.shape[1] > 2
    np.testing.assert_allclose(scan(sweep, x, tile=64).scores, whole, rtol=1e-9, atol=1e-12)
    finer = scan(sweep, x, stride=16).scores[:, ::2, ::2]
    np.testing.assert_allclose(finer, whole, rtol=1e-9, atol=1e-12)


def test_heads_behind_a_trunk_of_one_place_are_pointwise():
    """Flattened or not, one place is one place: the heads have no windows that could be dropped."""
    rng = np.random.default_rng(0)
    heads = Concat((Dense.create(rng, 4, 2), Dense.create(rng, 4, 1)))
    trunk = Conv2d.create(rng, 3, 4, 8), Relu(), Flatten()
    net = double(Sequential((*trunk, heads)))
    swept = fully_convolutional(net, (8, 8), 3)
    x = rng.standard_normal((1, 10, 9, 3))
    found = scan(swept, x)

    assert [window.size for window in found.windows] == [8, 8]
    np.testing.assert_allclose(found.scores[:, 2, 1], net.forward(x[:, 2:, 1:]))
