"""What networks say to inputs that do not fit: an error that tells where, what came, what fits."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core import init
from cnn_core.errors import CoreError, ShapeError
from cnn_core.layers import Conv1d, Conv2d, Dense, Flatten, GlobalMaxPool, MaxPool, Sequential
from cnn_core.networks import NAMED, sentence_classifier, video
from cnn_core.scan import scan

RNG = np.random.default_rng(0)
NETWORKS = {
    name: (published.build(RNG, initialiser=init.zeros), published.input_shape)
    for name, published in NAMED.items()
    if published.parameters < 30e6
} | {
    "video": (video(RNG, 4), (8, 24, 24, 3)),
    "sentence": (sentence_classifier(RNG, 50), (12,)),
}


def refused(net, x):
    """Either refused in words, or answered with what the network says of this shape."""
    try:
        y = net.forward(x)
    except CoreError as error:
        told = str(error)
    else:
        assert y.shape == net.output_shape(x.shape)
        return False
    assert "got" in told, told
    assert "expected" in told, told
    return True


@pytest.mark.parametrize("name", NETWORKS)
class TestNetworks:
    def test_wrong_channels(self, name):
        net, (*places, channels) = NETWORKS[name]
        if name != "sentence":
            small = [min(n, 40) for n in places]
            assert refused(net, np.zeros((1, *small, channels + 1), np.float32))

    def test_an_axis_too_many_or_too_few(self, name):
        net, shape = NETWORKS[name]
        small = tuple(min(n, 24) for n in shape)
        assert refused(net, np.zeros((1, *small, 1), np.float32))
        assert refused(net, np.zeros((1, *small[1:]), np.float32))

    @pytest.mark.parametrize("side", [0, 1, 2, 5])
    def test_an_input_smaller_than_the_window(self, name, side):
        """No window fits, or the layers that join all places meet none."""
        net, shape = NETWORKS[name]
        small = (side,) if name == "sentence" else (*(side for _ in shape[:-1]), shape[-1])
        kind = np.int64 if name == "sentence" else np.float32
        refused(net, np.zeros((1, *small), kind))


class TestShortSignals:
    """A sweep over less than one window has no scores; a classifier of one window says so."""

    @pytest.mark.parametrize("length", range(7))
    def test_a_sweep_has_no_windows(self, length):
        net = Sequential(
            (Conv1d.create(RNG, 2, 3, 3), MaxPool.create(2), Conv1d.create(RNG, 3, 1, 2))
        )
        found = scan(net, np.ones((1, length, 2), np.float32))

        assert found.scores.shape == (1, net.windows[0].count(length), 1)

    def test_a_picture_smaller_than_the_kernel(self):
        net = Conv2d.create(RNG, 1, 2, 5)

        assert scan(net, np.ones((1, 3, 9, 1), np.float32)).scores.shape == (1, 0, 5, 2)

    def test_a_flattened_window_of_another_size(self):
        net = Sequential((Flatten(), Dense.create(RNG, 12, 2)))
        with pytest.raises(ShapeError, match=r"Dense.*got an input of shape \(1, 8\); expected 12"):
            net.forward(np.ones((1, 4, 2), np.float32))

    def test_no_place_has_no_maximum(self):
        net = Sequential((Conv1d.create(RNG, 2, 3, 9), GlobalMaxPool()))
        with pytest.raises(ShapeError, match=r"GlobalMaxPool: got .* expected .* one place"):
            net.forward(np.ones((1, 4, 2), np.float32))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (np.array([[0, 50]]), "got words from 0 to 50; expected 0 to 49"),
        (np.array([[-1, 3]]), "got words from -1 to 3"),
        (np.array([[0.0, 1.0]]), "expected integers"),
        (np.array([1, 2]), r"expected integers \(N, T\)"),
    ],
)
def test_words_that_are_none(words, message):
    with pytest.raises(ShapeError, match=message):
        NETWORKS["sentence"][0].forward(words)
