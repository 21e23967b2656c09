"""Optimisers against their formulas and their laws; clipping and averages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_core.errors import TrainingError
from cnn_core.layers import (
    BatchNorm,
    Bias,
    Conv1d,
    Dense,
    Embedding,
    LocallyConnected1d,
    LocallyConnected2d,
    Relu,
    Sequential,
)
from cnn_core.optim import Adam, AdamW, Sgd, average, clip_norm
from cnn_core.tree import leaves, tree_map

seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0, 0.99)
OPTIMISERS = {
    "sgd": Sgd(0.9, weight_decay=0.1),
    "nesterov": Sgd(0.9, nesterov=True, weight_decay=0.1),
    "adam": Adam(weight_decay=0.1),
    "adamw": AdamW(weight_decay=0.1),
}

RNG = np.random.default_rng(0)
LAYERS_OF_BOTH = [
    Conv1d.create(RNG, 2, 3, 3),
    Dense.create(RNG, 2, 3),
    Bias.create(3),
    BatchNorm.create(3),
    Embedding.create(RNG, 5, 3),
    LocallyConnected1d.create(RNG, 7, 2, 3, 3),
    LocallyConnected2d.create(RNG, (4, 5), 2, 3, (2, 3)),
]


def layer_of(rng):
    return Dense(rng.standard_normal((3, 2)), rng.standard_normal(2))


def run(optimiser, rng, steps=4, rate=0.1):
    """The layer after some steps along random gradients."""
    layer = layer_of(rng)
    state = optimiser.init(layer)
    for _ in range(steps):
        layer, state = optimiser.step(layer, state, layer_of(rng), rate)
    return layer


def same(a, b, rtol=1e-12):
    for (path, x), (_, y) in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-12, err_msg=path)


@given(seed=seeds, decay=shares)
def test_nesterov_without_momentum_is_plain_descent(seed, decay):
    plain = Sgd(0.0, weight_decay=decay)
    ahead = Sgd(0.0, nesterov=True, weight_decay=decay)
    same(run(plain, np.random.default_rng(seed)), run(ahead, np.random.default_rng(seed)))


@given(seed=seeds, momentum=shares)
def test_nesterov_is_momentum_at_the_point_ahead(seed, momentum):
    """Sutskever et al. 2013: v' = m v - rate g(w + m v); w' = w + v', followed at w + m v.

    On the slope g(w) = w, where the gradient at the point ahead is known.
    """
    w = np.random.default_rng(seed).standard_normal(1)
    layer = Dense(np.zeros((1, 1)), w)
    optimiser = Sgd(momentum, nesterov=True)
    state, rate, velocity = optimiser.init(layer), 0.1, np.zeros(1)
    for _ in range(5):
        layer, state = optimiser.step(layer, state, layer, rate)
        velocity = momentum * velocity - rate * (w + momentum * velocity)
        w = w + velocity
        np.testing.assert_allclose(layer.bias, w + momentum * velocity, rtol=1e-9, atol=1e-12)


@given(seed=seeds, name=st.sampled_from(sorted(OPTIMISERS)))
def test_what_came_in_stays_as_it_was(seed, name):
    rng, optimiser = np.random.default_rng(seed), OPTIMISERS[name]
    layer, gradient = layer_of(rng), layer_of(rng)
    _, state = optimiser.step(layer, optimiser.init(layer), gradient, 0.1)
    given_trees = (layer, state, gradient)
    before = [array.tobytes() for _, array in leaves(given_trees)]
    optimiser.step(layer, state, gradient, 0.1)
    assert [array.tobytes() for _, array in leaves(given_trees)] == before


@pytest.mark.parametrize("name", OPTIMISERS)
def test_weights_keep_their_type(name):
    single = tree_map(lambda w: w.astype(np.float32), layer_of(np.random.default_rng(0)))
    optimiser = OPTIMISERS[name]
    rate = np.float64(0.1)
    moved, state = optimiser.step(single, optimiser.init(single), single, rate)
    moved, _ = optimiser.step(moved, state, single, rate)
    assert {array.dtype for _, array in leaves(moved)} == {np.dtype(np.float32)}


@given(seed=seeds, decay=shares)
def test_coupled_decay_is_the_slope_of_half_the_squared_weights(seed, decay):
    """L = 1/2 decay |w|^2 as a loss of its own, and decay with no loss, move alike."""
    for plain, decaying in (
        (Sgd(0.5), Sgd(0.5, weight_decay=decay, decay_on="all")),
        (Adam(), Adam(weight_decay=decay, decay_on="all")),
    ):
        a = b = layer_of(np.random.default_rng(seed))
        state_a, state_b = plain.init(a), decaying.init(b)
        for _ in range(3):
            pull = tree_map(lambda w: decay * w, a)
            a, state_a = plain.step(a, state_a, pull, 0.1)
            b, state_b = decaying.step(b, state_b, tree_map(np.zeros_like, b), 0.1)
        same(a, b)


@given(seed=seeds, decay=shares)
def test_decoupled_decay_shrinks_by_rate_times_decay(seed, decay):
    layer = layer_of(np.random.default_rng(seed))
    optimiser = AdamW(weight_decay=decay, decay_on="all")
    zero = tree_map(np.zeros_like, layer)
    moved, _ = optimiser.step(layer, optimiser.init(layer), zero, 0.5)
    same(moved, tree_map(lambda w: w * (1 - 0.5 * decay), layer))


@given(seed=seeds)
def test_without_decay_both_adams_are_one(seed):
    same(run(Adam(), np.random.default_rng(seed)), run(AdamW(), np.random.default_rng(seed)))


@pytest.mark.parametrize("name", OPTIMISERS)
def test_decay_spares_biases_unless_told_otherwise(name):
    layer = Dense(np.ones((1, 1)), np.ones(1))
    zero = tree_map(np.zeros_like, layer)
    optimiser = OPTIMISERS[name]
    moved, _ = optimiser.step(layer, optimiser.init(layer), zero, 0.1)
    assert moved.weight.item() < 1
    assert moved.bias.item() == 1


@pytest.mark.parametrize("layer", LAYERS_OF_BOTH)
def test_decay_acts_on_filters_however_many_axes_a_bias_has(layer):
    """The bias of a locally connected layer has as many axes as a filter, and used to decay."""
    ones = tree_map(np.ones_like, layer)
    optimiser = Sgd(weight_decay=0.5)
    moved, _ = optimiser.step(ones, optimiser.init(ones), tree_map(np.zeros_like, ones), 0.1)
    shrunk = {path for path, w in leaves(moved) if (w < 1).all()}
    assert shrunk == {path for path, _ in leaves(layer) if path.endswith("weight")}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_network_without_weights_has_nothing_to_learn(name):
    net = Sequential((Relu(),))
    optimiser = OPTIMISERS[name]
    moved, _ = optimiser.step(net, optimiser.init(net), net, 0.1)
    assert len(moved.layers) == 1


def test_sgd_gathers_momentum():
    layer, gradient = Dense(np.zeros((1, 1)), np.zeros(1)), Dense(np.ones((1, 1)), np.zeros(1))
    optimiser = Sgd(momentum=0.5)
    state = optimiser.init(layer)
    for _ in range(2):
        layer, state = optimiser.step(layer, state, gradient, 1.0)
    assert layer.weight.item() == -(1 + 1.5)


def test_adams_first_step_moves_every_weight_by_the_rate():
    """The first bias-corrected step is rate * sign(g) (Kingma and Ba 2015, section 2.1)."""
    layer = Dense(np.zeros((2, 1)), np.zeros(1))
    gradient = Dense(np.array([[3.0], [-0.2]]), np.array([7.0]))
    moved, _ = Adam().step(layer, Adam().init(layer), gradient, 0.01)
    np.testing.assert_allclose(moved.weight, [[-0.01], [0.01]], rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_running_statistics_follow_the_batches(name):
    """running = m * running + (1 - m) * batch, whatever the optimiser, its rate and its decay."""
    norm = BatchNorm.create(1, momentum=0.75)
    x = np.array([[1.0], [3.0]], np.float32)
    y, pull = norm.vjp(x, np.random.default_rng(0))
    _, gradient = pull(np.zeros_like(y))
    optimiser = OPTIMISERS[name]
    moved, _ = optimiser.step(norm, optimiser.init(norm), gradient, 0.1)
    assert moved.mean.item() == pytest.approx(0.25 * 2)
    assert moved.variance.item() == pytest.approx(0.75 * 1 + 0.25 * 1)


@given(seed=seeds, limit=st.floats(0.01, 10))
def test_a_clipped_gradient_keeps_its_direction(seed, limit):
    gradient = layer_of(np.random.default_rng(seed))
    norm = np.linalg.norm(np.concatenate([g.ravel() for _, g in leaves(gradient)]))
    same(clip_norm(gradient, limit), tree_map(lambda g: g * min(1.0, limit / norm), gradient))


def test_a_norm_that_float32_cannot_square_is_clipped_all_the_same():
    """It overflowed, and what was left of the gradient was 0."""
    gradient = Dense(np.full((1, 1), 3e25, np.float32), np.full(1, 4e25, np.float32))
    clipped = clip_norm(gradient, 1.0)
    assert (clipped.weight.item(), clipped.bias.item()) == pytest.approx((0.6, 0.8))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_refused(value):
    gradient = Dense(np.full((1, 1), value, np.float32), np.ones(1, np.float32))
    with pytest.raises(TrainingError, match=f"got a gradient of norm {value}; expected a finite"):
        clip_norm(gradient, 1.0)


def test_clipping_leaves_running_statistics_alone():
    net = Sequential((Dense(np.full((1, 1), 3.0), np.full(1, 4.0)), BatchNorm.create(1)))
    norm = BatchNorm(np.zeros(1), np.zeros(1), np.full(1, 100.0), np.full(1, 100.0))
    clipped = clip_norm(Sequential((net.layers[0], norm)), 1.0)
    assert clipped.layers[1].mean.item() == 100.0
    assert clipped.layers[0].bias.item() == pytest.approx(0.8)


@given(seed=seeds, decay=shares)
def test_the_average_of_what_never_changes_is_itself(seed, decay):
    layer = layer_of(np.random.default_rng(seed))
    running = layer
    for _ in range(3):
        running = average(running, layer, decay)
    same(running, layer)


def test_the_average_follows_by_one_minus_its_decay():
    a, b = Dense(np.zeros((1, 1)), np.zeros(1)), Dense(np.ones((1, 1)), np.ones(1))
    assert average(a, b, 0.9).bias.item() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sgd(1.0), "Sgd: got momentum 1.0; expected 0 to below 1"),
        (lambda: Sgd(weight_decay=-1), "Sgd: got weight_decay -1; expected 0 or more"),
        (lambda: Sgd(decay_on="any"), "got decay_on 'any'; expected .filters. or .all."),
        (lambda: Adam(beta1=1.0), "Adam: got beta1 1.0; expected 0 to below 1"),
        (lambda: AdamW(beta2=-0.1), "AdamW: got beta2 -0.1; expected 0 to below 1"),
        (lambda: clip_norm(Sequential(()), -1), "clip_norm: got limit -1; expected a norm above"),
        (lambda: Adam(epsilon=0), "Adam: got epsilon 0; expected a number above 0"),
    ],
)
def test_what_no_optimiser_can_use_is_refused_by_name(make, message):
    with pytest.raises(TrainingError, match=message):
        make()
