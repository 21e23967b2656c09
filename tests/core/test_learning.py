"""Learning: small tasks are learned, and a training that was stopped goes on to the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core import checkpoint
from cnn_core.errors import ModelFileError
from cnn_core.layers import BatchNorm, Conv1d, Conv2d, Dense, Flatten, MaxPool, Relu, Sequential
from cnn_core.losses import cross_entropy
from cnn_core.optim import Adam, Sgd
from cnn_core.tree import leaves, tree_map


def _net(rng):
    return Sequential(
        (Dense.create(rng, 2, 8), BatchNorm.create(8), Relu(), Dense.create(rng, 8, 2))
    )


@pytest.mark.parametrize("opt", [Adam(), Sgd()], ids=["adam", "sgd"])
def test_exclusive_or_is_learned(opt):
    """A network of two layers learns what no single one can."""
    rng = np.random.default_rng(3)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    t = np.array([0, 1, 1, 0])
    net = _net(rng)
    state = opt.init(net)
    for _ in range(150):
        y, pull = net.vjp(x, rng)
        _, dy = cross_entropy(y, t)
        net, state = opt.step(net, state, pull(dy)[1], 0.05)
    assert net.forward(x).argmax(axis=-1).tolist() == t.tolist()


def test_a_small_convolutional_network_learns_where_nothing_but_shape_tells():
    """Bars along one axis or the other, anywhere in the picture."""
    rng = np.random.default_rng(0)

    def batch(n):
        x, t = np.zeros((n, 8, 8, 1), np.float32), rng.integers(0, 2, n)
        for picture, upright in zip(x, t, strict=True):
            i, j = rng.integers(0, 8), rng.integers(0, 5)
            (picture if upright else picture.swapaxes(0, 1))[j : j + 4, i] = 1
        return x + 0.1 * rng.standard_normal(x.shape).astype(np.float32), t

    net = Sequential((
        Conv2d.create(rng, 1, 8, 3, padding="same"), BatchNorm.create(8), Relu(),
        MaxPool.create(8, axes=2), Flatten(), Dense.create(rng, 8, 2),
    ))  # fmt: skip
    opt = Adam()
    state = opt.init(net)
    for _ in range(60):
        x, t = batch(32)
        y, pull = net.vjp(x, rng)
        net, state = opt.step(net, state, pull(cross_entropy(y, t)[1])[1], 0.02)
    x, t = batch(200)
    assert (net.forward(x).argmax(axis=-1) == t).mean() > 0.95


def _train(net, state, rng, steps):
    opt = Adam()
    for _ in range(steps):
        x = rng.standard_normal((2, 9, 3)).astype(np.float32)
        y, pull = net.vjp(x, rng)
        net, state = opt.step(net, state, pull(y)[1], 0.01)
    return net, state


def test_resumed_is_undisturbed(tmp_path):
    """Law 9: a training stopped and resumed from its checkpoint ends with the same bits."""
    rng = np.random.default_rng(0)
    net = Sequential((Conv1d.create(rng, 3, 4, 3), BatchNorm.create(4), Relu()))
    state = Adam().init(net)
    whole, _ = _train(net, state, np.random.default_rng(1), 6)

    rng = np.random.default_rng(1)
    half, half_state = _train(net, state, rng, 3)
    record = {"rng": rng.bit_generator.state}
    checkpoint.save(tmp_path / "c", {"net": half, "state": half_state}, record)
    trees, record = checkpoint.load(tmp_path / "c", {"net": net, "state": state})
    rng = np.random.default_rng()
    rng.bit_generator.state = record["rng"]
    resumed, _ = _train(trees["net"], trees["state"], rng, 3)

    for (name, a), (_, b) in zip(leaves(whole), leaves(resumed), strict=True):
        assert a.tobytes() == b.tobytes(), name


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    checkpoint.save(tmp_path / "c", {"net": Dense.create(rng, 2, 3)}, {})
    with pytest.raises(ModelFileError, match="belongs to another network"):
        checkpoint.load(tmp_path / "c", {"net": Dense.create(rng, 2, 4)})
    twice_as_fine = tree_map(lambda w: w.astype(np.float64), Dense.create(rng, 2, 3))
    with pytest.raises(ModelFileError, match=r"of shape \(2, 3\) and type float64; the checkpoint"):
        checkpoint.load(tmp_path / "c", {"net": twice_as_fine})


def test_a_checkpoint_may_be_larger_than_a_model_file(tmp_path, monkeypatch):
    """A large network with its optimiser's slots is several times its model file."""
    layer = Dense.create(np.random.default_rng(0), 20, 20)
    checkpoint.save(tmp_path / "c", {"net": layer, "state": Adam().init(layer)}, {})
    monkeypatch.setattr(checkpoint, "LARGEST_BYTES", 1000)
    trees, _ = checkpoint.load(tmp_path / "c", {"net": layer, "state": Adam().init(layer)})
    assert trees["net"].weight.tobytes() == layer.weight.tobytes()
    with pytest.raises(ModelFileError, match="expected at most 1000"):
        checkpoint.load(tmp_path / "c", {"net": Dense.create(np.random.default_rng(0), 1, 1)})
