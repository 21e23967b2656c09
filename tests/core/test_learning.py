"""Losses against definitions and central differences; optimisers against formulas and a task."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core import checkpoint
from cnn_core.errors import ModelFileError, ShapeError
from cnn_core.layers import BatchNorm, Conv1d, Conv2d, Dense, Flatten, MaxPool, Relu, Sequential
from cnn_core.losses import binary_cross_entropy, cross_entropy, multi_task, smooth_l1
from cnn_core.optim import Adam, AdamW, Sgd, average, clip_norm
from cnn_core.schedules import cosine
from cnn_core.tree import leaves, tree_map


def _slope(loss, z, v, eps=1e-6):
    return (loss(z + eps * v)[0] - loss(z - eps * v)[0]) / (2 * eps)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["cross_entropy", "binary", "smooth_l1"])
def test_gradients_match_central_differences(name, weighted):
    rng = np.random.default_rng(0)
    z, v = rng.standard_normal((2, 4, 5, 3))
    weights = rng.integers(0, 3, (4, 5) if name == "cross_entropy" else z.shape) * 1.0
    weights = weights if weighted else None
    classes, targets = rng.integers(0, 3, (4, 5)), rng.random(z.shape)
    loss = {
        "cross_entropy": lambda z: cross_entropy(z, classes, weights),
        "binary": lambda z: binary_cross_entropy(z, targets, weights),
        "smooth_l1": lambda z: smooth_l1(z, targets, weights, beta=0.7),
    }[name]
    np.testing.assert_allclose((loss(z)[1] * v).sum(), _slope(loss, z, v), rtol=1e-6)


def test_binary_cross_entropy_is_its_definition_and_never_overflows():
    z, t = np.array([0.3, -2.0]), np.array([1.0, 0.2])
    p = 1 / (1 + np.exp(-z))
    assert binary_cross_entropy(z, t)[0] == pytest.approx(
        (-t * np.log(p) - (1 - t) * np.log(1 - p)).mean()
    )
    assert binary_cross_entropy(np.array([1e4, -1e4]), np.array([1.0, 0.0]))[0] == 0


def test_weight_zero_does_not_count_even_at_infinity():
    loss, slope = smooth_l1(np.array([1.0, np.inf]), np.zeros(2), np.array([1.0, 0.0]))
    assert loss == 0.5
    assert slope.tolist() == [1.0, 0.0]


def test_no_weight_at_all_is_no_loss():
    loss, slope = cross_entropy(np.ones((2, 3)), np.zeros(2, int), np.zeros(2))
    assert loss == 0.0
    assert not slope.any()


def test_wrong_shapes_are_named():
    with pytest.raises(ShapeError, match=r"got targets of shape \(2,\); expected \(3,\)"):
        binary_cross_entropy(np.zeros(3), np.zeros(2))


def test_the_multi_task_sum_scales_losses_and_gradients():
    total, slopes = multi_task({"class": (2.0, np.ones(2)), "box": (3.0, np.ones(1))}, {"box": 0.5})
    assert total == 3.5
    assert slopes["box"].tolist() == [0.5]


def _net(rng):
    return Sequential(
        (Dense.create(rng, 2, 8), BatchNorm.create(8), Relu(), Dense.create(rng, 8, 2))
    )


def test_adam_first_step_moves_every_weight_by_the_rate():
    """The first bias-corrected step is rate * sign(g) (Kingma and Ba 2015, section 2.1)."""
    layer = Dense(np.zeros((2, 1)), np.zeros(1))
    gradient = Dense(np.array([[3.0], [-0.2]]), np.array([7.0]))
    opt = Adam()
    moved, _ = opt.step(layer, opt.init(layer), gradient, 0.01)
    np.testing.assert_allclose(moved.weight, [[-0.01], [0.01]], rtol=1e-6)


def test_sgd_gathers_momentum():
    layer, gradient = Dense(np.zeros((1, 1)), np.zeros(1)), Dense(np.ones((1, 1)), np.zeros(1))
    opt = Sgd(momentum=0.5)
    state = opt.init(layer)
    for _ in range(2):
        layer, state = opt.step(layer, state, gradient, 1.0)
    assert layer.weight.item() == -(1 + 1.5)


def test_decay_acts_on_filters_only():
    layer = Dense(np.ones((1, 1)), np.ones(1))
    zero = tree_map(np.zeros_like, layer)
    opt = AdamW(weight_decay=0.1)
    moved, _ = opt.step(layer, opt.init(layer), zero, 1.0)
    assert (moved.weight.item(), moved.bias.item()) == (pytest.approx(0.9), 1.0)


def test_running_statistics_follow_the_batches():
    """running = m * running + (1 - m) * batch, through the optimiser like any weight."""
    norm = BatchNorm.create(1, momentum=0.75)
    x = np.array([[1.0], [3.0]], np.float32)
    y, pull = norm.vjp(x, np.random.default_rng(0))
    _, gradient = pull(np.zeros_like(y))
    opt = Adam()
    moved, _ = opt.step(norm, opt.init(norm), gradient, 0.1)
    assert moved.mean.item() == pytest.approx(0.25 * 2)
    assert moved.variance.item() == pytest.approx(0.75 * 1 + 0.25 * 1)


def test_clip_norm_keeps_the_direction():
    gradient = Dense(np.array([[3.0]]), np.array([4.0]))
    clipped, norm = clip_norm(gradient, 1.0)
    assert norm == 5.0
    assert (clipped.weight.item(), clipped.bias.item()) == (pytest.approx(0.6), pytest.approx(0.8))


def test_average_and_cosine():
    a, b = Dense(np.zeros((1, 1)), np.zeros(1)), Dense(np.ones((1, 1)), np.ones(1))
    assert average(a, b, 0.9).bias.item() == pytest.approx(0.1)
    assert cosine(0, 100, 1.0, warmup=10) == 0.1
    assert cosine(100, 100, 1.0) == pytest.approx(0.0)


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
