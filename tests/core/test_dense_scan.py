"""Law 2 at any stride: a dense scan gives the score of every window run alone, in 1-D and 2-D."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.dense_scan import dense
from cnn_core.errors import GeometryError, NotFiniteError
from cnn_core.geometry import Window
from cnn_core.layers import (
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Dense,
    Dilated,
    Downsample,
    Identity,
    MaxPool,
    MeanPool,
    Relu,
    ScanningMlp,
    Sequential,
    Sum,
    Upsample,
    WordPath,
)
from cnn_core.scan import scan
from cnn_core.stream import open_stream
from cnn_core.tree import tree_map


def double(layer):
    return tree_map(lambda a: a.astype(np.float64), layer)


def _sizes(rng, axes, most):
    return tuple(int(n) for n in rng.integers(1, most + 1, axes))


def random_net(rng, axes, channels=2, depth=3, most=3):
    """Valid convolutions and pools with strides and dilations, branches of unlike windows."""
    conv = (Conv1d, Conv2d)[axes - 1]
    layers = []
    for _ in range(depth):
        kind = rng.integers(0, 6)
        if kind in (0, 1):
            pool = (MaxPool, MeanPool)[kind]
            kernel, stride = _sizes(rng, axes, most), _sizes(rng, axes, most)
            layers += [pool.create(kernel, stride=stride, axes=axes)]
        elif kind == 2:
            inner = random_net(rng, axes, channels, depth=2, most=2)
            steps = tuple(int(w.step) for w in inner.windows) or (1,) * axes
            side = conv.create(rng, channels, 1, _sizes(rng, axes, 2), stride=steps)
            layers += [Sum((inner, side)), conv.create(rng, 1, channels, 1)]
        elif kind == 3:
            wide = conv.create(rng, channels, 1, _sizes(rng, axes, 4))
            layers += [Concat((Identity(), wide)), conv.create(rng, channels + 1, channels, 1)]
        elif kind == 4:
            norm = next(BatchNorm.examples(rng))[0]
            layers += [tree_map(lambda a: np.resize(a, channels), norm), Relu()]
        else:
            sizes = {
                "stride": _sizes(rng, axes, most),
                "dilation": _sizes(rng, axes, 2),
                "bias": False,
            }
            layers += [conv.create(rng, channels, channels, _sizes(rng, axes, most), **sizes)]
    return double(Sequential((*layers, conv.create(rng, channels, 1, 1))))


def _alone(net, x, stride):
    """Every window cut out and run through the network as it is."""
    axes = list(zip(net.windows, stride, x.shape[1:-1], strict=True))
    scores = np.zeros((len(x), *(Window(w.size, s).count(n) for w, s, n in axes), 1))
    first = (slice(None), *(0,) * len(axes))
    for index in np.ndindex(*scores.shape[1:-1]):
        cut = (slice(i * s, i * s + w.size) for i, (w, s, _) in zip(index, axes, strict=True))
        scores[(slice(None), *index)] = net.forward(x[(slice(None), *cut)])[first]
    return scores


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 100_000), length=st.integers(0, 30), stride=st.integers(1, 12))
def test_every_window_of_a_signal_at_any_stride(seed, length, stride):
    rng = np.random.default_rng(seed)
    net = random_net(rng, 1)
    x = rng.standard_normal((2, int(net.windows[0].size) + length, 2))
    scores = scan(net, x, stride=stride, tile=int(rng.integers(1, 40)))
    np.testing.assert_allclose(scores.scores, _alone(net, x, (stride,)), atol=1e-10)
    assert scores.windows == (Window(net.windows[0].size, stride),)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 100_000),
    more=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_every_window_of_a_picture_at_any_stride(seed, more, stride):
    rng = np.random.default_rng(seed)
    net = random_net(rng, 2, depth=2)
    lengths = [int(w.size) + n for w, n in zip(net.windows, more, strict=True)]
    x = rng.standard_normal((1, *lengths, 2))
    scores = scan(net, x, stride=stride)
    np.testing.assert_allclose(scores.scores, _alone(net, x, stride), atol=1e-10)


def test_only_as_much_as_the_stride_asks_for():
    """Of strides 2, 3 and 2, in all 12, the first two remain for windows 6 apart."""
    rng = np.random.default_rng(0)
    net = Sequential(
        (
            Conv1d.create(rng, 1, 2, 3, stride=2),
            MaxPool.create(3),
            Conv1d.create(rng, 2, 2, 4, stride=2),
            Conv1d.create(rng, 2, 1, 2),
        )
    )
    half = dense(net, 6)
    assert [layer.stride for layer in half.layers] == [(2,), (3,), (1,), (1,)]
    assert [layer.dilation for layer in half.layers if isinstance(layer, Conv1d)] == [
        (1,),
        (1,),
        (2,),
    ]
    assert dense(net, 12) is net
    assert dense(net, 24).windows == (Window(net.windows[0].size, 24),)


def test_a_layer_without_dilation_runs_on_every_phase():
    rng = np.random.default_rng(1)
    net = Sequential((Conv1d.create(rng, 3, 4, 2, stride=3), WordPath(((1, 2), (3,)), 4, -8.0)))
    x = rng.standard_normal((1, 40, 3)).astype(np.float32)
    scores = scan(net, x, stride=1)
    np.testing.assert_allclose(scores.scores, _alone(net, x, (1,)), atol=1e-5)


def test_a_padded_network_gives_its_own_scores_between_which_the_dense_ones_lie():
    """Zeros stay at the signal's own border, at any stride."""
    rng = np.random.default_rng(2)
    net = double(
        Sequential(
            (
                Conv2d.create(rng, 2, 3, 3, stride=2, padding="same"),
                Relu(),
                Conv2d.create(rng, 3, 1, 5, stride=2, padding="same"),
            )
        )
    )
    for lengths in ((9, 14), (16, 7), (5, 6)):
        x = rng.standard_normal((1, *lengths, 2))
        own, fine = scan(net, x), scan(net, x, stride=1)
        np.testing.assert_allclose(fine.scores[:, ::4, ::4], own.scores, atol=1e-12)


def test_what_cannot_be_dense_is_refused_by_name():
    rng = np.random.default_rng(0)
    net = Sequential((Conv1d.create(rng, 1, 1, 3, stride=4), Upsample.create(2, axes=1)))
    assert dense(net, 2) is net
    with pytest.raises(GeometryError, match="several outputs for one place"):
        dense(net, 1)
    padded = MaxPool.create(3, stride=2, padding="same")
    with pytest.raises(GeometryError, match="expected valid windows"):
        dense(Sequential((Conv1d.create(rng, 1, 1, 2, stride=2), padded)), 1)
    with pytest.raises(GeometryError, match="dense: stride: got 0"):
        dense(net, 0)


def test_a_dense_network_streams():
    """Windows at every input of a network of stride 4, in crumbs."""
    rng = np.random.default_rng(3)
    net = double(Sequential((Conv1d.create(rng, 2, 2, 3, stride=2), MaxPool.create(2), Relu())))
    x = rng.standard_normal((40, 2))
    stream = open_stream(dense(net, 1))
    heard = [stream.step(x[at : at + 3]).scores for at in range(0, 40, 3)]
    np.testing.assert_allclose(np.concatenate(heard), scan(net, x[None], stride=1).scores[0])


def test_a_signal_shorter_than_one_window_says_so():
    net = Conv1d.create(np.random.default_rng(0), 1, 2, 5, stride=3)
    short = scan(net, np.zeros((1, 4, 1), np.float32))
    assert short.scores.shape == (1, 0, 2)
    assert short.uncovered == (4,)
    assert scan(net, np.zeros((1, 10, 1), np.float32)).uncovered == (2,)
    assert scan(net, np.zeros((1, 4, 1), np.float32), stride=1).scores.shape == (1, 0, 2)


def test_samples_that_are_no_numbers_are_refused_by_place():
    net = Conv2d.create(np.random.default_rng(0), 1, 1, 3)
    x = np.zeros((1, 20, 20, 1), np.float32)
    x[0, 13, 7, 0] = np.nan
    for tile in (None, 4):
        with pytest.raises(NotFiniteError, match=r"scan: sample \(0, 13, 7, 0\) is nan"):
            scan(net, x, tile=tile)


def test_a_network_that_upsamples_is_thinned_by_whole_places():
    """Its windows lie 1 / 2 and 3 / 2 apart: of them every second one is asked for."""
    x = np.random.default_rng(0).standard_normal((1, 20, 2))
    up = Upsample.create(2, axes=1)
    strided = double(Sequential((Conv1d.create(np.random.default_rng(1), 2, 2, 3, stride=3), up)))
    for net, stride in ((up, 1), (strided, 3)):
        found = scan(net, x, stride=stride)

        assert found.windows[0].step == stride
        np.testing.assert_array_equal(found.scores, net.forward(x)[:, ::2])


@pytest.mark.parametrize("shape", [(2, 9, 3), (1, 5, 6, 3)])
def test_a_pointwise_network_takes_strides_too(shape):
    net = double(Sequential((Dense.create(np.random.default_rng(0), 3, 2), Relu())))
    x = np.random.default_rng(1).standard_normal(shape)
    found = scan(net, x, stride=4)
    thinned = x[(slice(None), *(slice(None, None, 4) for _ in shape[1:-1]))]

    assert [window.step for window in found.windows] == [4] * (len(shape) - 2)
    np.testing.assert_allclose(found.scores, net.forward(thinned))


@pytest.mark.parametrize("length", [4, 9, 10, 11])
def test_phases_multiply_no_filler(length):
    """So many outputs, so many products, whatever the phases' lengths."""
    inner = ScanningMlp.create(np.random.default_rng(0), (2, 4, 3), 3)
    layer = Dilated(inner, (3,))
    one = inner.multiply_adds((1, 3, 2))

    assert layer.multiply_adds((5, length, 2)) == 5 * layer.lengths((length,))[0] * one


@pytest.mark.parametrize("net", [Identity(), Downsample.create(1, axes=1), Sequential(())])
def test_scores_are_no_view_of_the_signal(net):
    x = np.ones((1, 6, 2), np.float32)
    scan(net, x).scores[:] = 7

    assert (x == 1).all()
