"""Aggregates: values against slow twins, gradients, streams, padded batches, limits, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.aggregate import (
    Adjacent,
    LogSumExp,
    Max,
    Mean,
    NoisyOr,
    PNorm,
    SoftmaxMean,
    linear,
    mlp,
    moving_mean,
    moving_median,
)
from cnn_core.errors import CoreError, ShapeError
from cnn_core.layers import BatchNorm, Conv1d, Dropout, MeanPool
from cnn_core.tree import leaves, tree_map

FOLDS = {
    "max": Max(),
    "mean": Mean(),
    "softmax": SoftmaxMean(0.3),
    "log-sum-exp": LogSumExp(0.3),
    "log-sum-exp of the sum": LogSumExp(0.5, normalised=False),
    "p-norm": PNorm(3.0),
    "noisy or": NoisyOr(),
    "noisy or of log odds": NoisyOr(logits=True),
}
SLOW = {
    "max": np.max,
    "mean": np.mean,
    "softmax": lambda s: (np.exp(s / 0.3) * s).sum() / np.exp(s / 0.3).sum(),
    "log-sum-exp": lambda s: 0.3 * np.log(np.exp(s / 0.3).mean()),
    "log-sum-exp of the sum": lambda s: 0.5 * np.log(np.exp(s / 0.5).sum()),
    "p-norm": lambda s: (np.abs(s) ** 3).mean() ** (1 / 3),
    "noisy or": lambda s: 1 - np.prod(1 - s),
    "noisy or of log odds": lambda s: np.log(np.prod(1 + np.exp(s)) - 1),
}


def _double(aggregate):
    return tree_map(lambda a: a.astype(np.float64), aggregate)


def _adjacent(axes, horizon=None):
    rng = np.random.default_rng(4)
    inner = SoftmaxMean(0.4, horizon)
    return {
        "moving mean": moving_mean(3, Max(horizon), axes=axes),
        "moving median": moving_median(3, Mean(horizon), axes=axes),
        "even median": moving_median(2, inner, axes=axes),
        "linear": _double(linear(rng, 2, 3, inner, axes=axes)),
        "mlp": _double(mlp(rng, 2, 2, 4, LogSumExp(0.4, horizon), axes=axes)),
    }


NAMES = [*FOLDS, *_adjacent(1)]


def _named(name, axes=1, horizon=None):
    if name in FOLDS:
        return replace(FOLDS[name], horizon=horizon)
    return _adjacent(axes, horizon)[name]


@pytest.mark.parametrize("name", FOLDS)
def test_a_value_is_its_formula(name):
    scores = np.random.default_rng(0).random((3, 7, 5, 2))

    values = FOLDS[name].forward(scores)

    for n in range(3):
        for label in range(2):
            assert values[n, label] == pytest.approx(SLOW[name](scores[n, :, :, label]))


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(NAMES), st.integers(0, 30), st.none() | st.integers(1, 7), st.booleans(),
    st.data(),
)  # fmt: skip
def test_a_stream_is_the_batch_of_its_windows(name, count, horizon, single, data):
    """After window i, whatever the chunks: the aggregate of the last `horizon` windows."""
    scores = np.random.default_rng(count).random((count, 2)).astype("f4" if single else "f8")
    aggregate = _named(name, 1, horizon)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=6)))
    state, got = aggregate.init(2), []
    for chunk in np.split(scores, cuts):
        state, values = aggregate.step(state, chunk)
        assert len(values) == len(chunk)
        got += list(values)
    for i, value in enumerate(got):
        reach = aggregate.horizon or count
        whole = aggregate.forward(scores[None, max(0, i + 1 - reach) : i + 1])[0]
        np.testing.assert_allclose(value, whole, atol=1e-5 if single else 1e-10)


@pytest.mark.parametrize("horizon", [None, 1, 4])
@pytest.mark.parametrize("name", FOLDS)
def test_many_streams_at_once_are_each_alone(name, horizon):
    aggregate = replace(FOLDS[name], horizon=horizon)
    scores = np.random.default_rng(5).random((3, 9, 2))
    alone = [aggregate.step(aggregate.init(2), own)[1] for own in scores]

    states, got = np.stack([aggregate.init(2)] * 3), []
    for chunk in (scores[:, :2], scores[:, 2:2], scores[:, 2:]):
        states, values = aggregate.step_all(states, chunk)
        got.append(values)

    np.testing.assert_allclose(np.concatenate(got, axis=1), alone, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_backward_matches_central_differences(name, axes, masked):
    """The slope along a random direction: through the scores, and through each weight."""
    rng = np.random.default_rng(3)
    scores = rng.random((3, *(9, 6)[:axes], 2))
    aggregate = _named(name, axes)
    lengths = np.array([[9, 6], [4, 3], [0, 2]])[:, :axes] if masked else None
    values, pull = aggregate.vjp(scores, lengths)
    dy, v, eps = rng.standard_normal(values.shape), rng.standard_normal(scores.shape), 1e-6
    dscores, gradient = pull(dy)

    def slope(run):
        return ((run(eps) - run(-eps)) * dy).sum() / (2 * eps)

    expected = slope(lambda e: aggregate.forward(scores + e * v, lengths))
    assert (dscores * v).sum() == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert type(gradient) is type(aggregate)
    for (path, _), (_, g) in zip(leaves(aggregate), leaves(gradient), strict=True):
        d = rng.standard_normal(g.shape)

        def moved(e, path=path, d=d):
            paths = iter([p for p, _ in leaves(aggregate)])
            return tree_map(lambda a: a + e * d if next(paths) == path else a, aggregate)

        expected = slope(lambda e: moved(e).forward(scores, lengths))
        assert (g * d).sum() == pytest.approx(expected, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_padded_batch_is_each_map_alone(name, axes):
    """What lies beyond a map's own windows, NaN included, neither counts nor is pulled back to."""
    rng = np.random.default_rng(5)
    sizes = [(8, 5), (3, 4), (1, 2), (0, 0)]
    scores = np.full((4, *(8, 5)[:axes], 2), np.nan)
    lengths = np.array([size[:axes] for size in sizes])
    aggregate = _named(name, axes)
    alone = []
    for row, size in zip(scores, lengths, strict=True):
        inside = tuple(slice(n) for n in size)
        row[inside] = rng.random(row[inside].shape)
        alone.append(aggregate.vjp(row[inside][None].copy()))

    values, pull = aggregate.vjp(scores, lengths[:, 0] if axes == 1 else lengths)
    dscores, _ = pull(np.ones_like(values))

    assert np.isfinite(dscores).all()
    for n, (value, pull_alone) in enumerate(alone):
        inside = (n, *(slice(size) for size in lengths[n]))
        np.testing.assert_allclose(values[n], value[0], atol=1e-12)
        np.testing.assert_allclose(dscores[inside], pull_alone(np.ones_like(value))[0][0])
        dscores[inside] = 0
    assert not dscores.any()


@pytest.mark.parametrize("name", NAMES)
def test_no_windows_are_nothing_found(name):
    """The value is `empty`, never NaN; there is nothing to pull back to."""
    aggregate = _named(name)
    values, pull = aggregate.vjp(np.zeros((2, 0, 2)))

    assert values.tolist() == [[0, 0], [0, 0]]
    assert pull(values)[0].shape == (2, 0, 2)
    state, none = aggregate.step(aggregate.init(2), np.zeros((0, 2)))
    assert none.shape == (0, 2)
    assert aggregate.step(state, np.ones((4, 2)))[1].shape == (4, 2)


def test_no_windows_can_be_something_else():
    assert Max(empty=-20.0).forward(np.zeros((1, 0, 1))) == -20
    assert moving_mean(3, Max(empty=-20.0)).forward(np.zeros((1, 2, 1))) == -20


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=20))
def test_limits_meet_the_maximum_and_the_mean(values):
    scores = np.array(values)[None, :, None]
    largest, mean = max(values), np.mean(values)

    assert SoftmaxMean(0.01).forward(scores).item() <= largest + 1e-9
    assert LogSumExp(1e-6).forward(scores).item() == pytest.approx(largest, abs=1e-4)
    assert SoftmaxMean(1e9).forward(scores).item() == pytest.approx(mean, abs=1e-6)
    assert LogSumExp(1e9).forward(scores).item() == pytest.approx(mean, abs=1e-4)
    assert PNorm(1e6).forward(abs(scores)).item() == pytest.approx(max(map(abs, values)), rel=1e-4)
    assert PNorm(1.0).forward(abs(scores)).item() == pytest.approx(np.mean(np.abs(values)))
    assert moving_mean(1).forward(scores).item() == largest
    assert NoisyOr(logits=True).forward(scores[:, :1]).item() == pytest.approx(values[0])


def test_a_cold_softmax_finds_the_maximum():
    scores = np.array([0.2, 0.9, 0.4])[None, :, None]
    assert SoftmaxMean(0.01).forward(scores).item() == pytest.approx(0.9)


@pytest.mark.parametrize("size", [1e3, 1e6])
@pytest.mark.parametrize("name", ["softmax", "log-sum-exp", "p-norm", "noisy or of log odds"])
def test_scores_of_any_size_neither_overflow_nor_vanish(name, size):
    """The older softmax mean was right for scores in 0..1 only: exp(score / temperature) grew."""
    scores = np.array([[[-size], [size]], [[-size], [-size]]])
    values, pull = FOLDS[name].vjp(scores)

    assert np.isfinite(values).all()
    assert np.isfinite(pull(np.ones_like(values))[0]).all()
    assert values[0].item() == pytest.approx(size, rel=1e-3) or name == "p-norm"


def test_noisy_or_of_certain_windows():
    """One certain window decides; its slope is what the others leave open."""
    scores = np.array([[[1.0], [0.5], [0.0]], [[1.0], [1.0], [0.5]]])
    values, pull = NoisyOr().vjp(scores)

    assert values.tolist() == [[1], [1]]
    assert pull(np.ones((2, 1)))[0][..., 0].tolist() == [[0.5, 0, 0], [0, 0, 0]]


def test_log_odds_are_the_noisy_or_of_probabilities():
    odds = np.random.default_rng(0).standard_normal((2, 6, 3))
    chances = 1 / (1 + np.exp(-odds))
    value = NoisyOr().forward(chances)

    np.testing.assert_allclose(
        NoisyOr(logits=True).forward(odds), np.log(value / (1 - value)), atol=1e-9
    )


def test_one_window_that_errs_cannot_raise_a_moving_median():
    scores = np.array([0, 0, 1, 0, 0, 0.6, 0.7, 0.8, 0.0])[None, :, None]

    assert Max().forward(scores).item() == 1
    assert moving_median(3).forward(scores).item() == pytest.approx(0.7)


def test_max_gives_its_gradient_to_one_window():
    dscores, _ = Max().vjp(np.ones((1, 4, 1)))[1](np.ones((1, 1)))

    assert dscores[0, :, 0].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("aggregate", [Max(), moving_mean(2)])
def test_scores_that_are_no_numbers_are_refused_by_place(aggregate):
    scores = np.zeros((2, 3, 1))
    scores[1, 2] = np.nan
    with pytest.raises(CoreError, match=r"got the score nan at \(1, 2, 0\)"):
        aggregate.forward(scores)
    with pytest.raises(CoreError, match=r"got the score nan at \(2, 0\)"):
        aggregate.step(aggregate.init(1), scores[1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Max(0), "horizon of 0 windows; expected at least 1"),
        (lambda: Mean(-3), "horizon of -3 windows"),
        (lambda: Max(empty=np.nan), "empty = nan; expected a finite number"),
        (lambda: SoftmaxMean(np.nan), "softmax temperature: got nan"),
        (lambda: LogSumExp(0), "log-sum-exp temperature: got 0"),
        (lambda: PNorm(0.5), "p-norm: got p = 0.5; expected a number >= 1"),
        (lambda: Adjacent(MeanPool.create(2)), "expected step 1 and start 0"),
        (lambda: NoisyOr().forward(np.full((1, 2, 1), 1.5)), "noisy or: got the score 1.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(CoreError, match=message):
        make()


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"expected \(N, \*places, L\)"):
        Max().forward(np.zeros((3, 2)))
    with pytest.raises(ShapeError, match=r"lengths of shape \(2, 2\) .* expected \(2, 1\)"):
        Max().forward(np.zeros((2, 3, 1)), np.zeros((2, 2), int))
    aggregate = Adjacent(Conv1d.create(np.random.default_rng(0), 2, 1, 3))
    with pytest.raises(ShapeError, match=r"expected \(t, 2\)"):
        aggregate.step(aggregate.init(2), np.zeros((3, 1)))


def test_log_odds_stay_exact_where_probabilities_vanish():
    """Three windows at -1000 hold it with odds of three times exp(-1000)."""
    scores = np.full((1, 3, 1), -1000.0)
    values, pull = NoisyOr(logits=True).vjp(scores)
    far, _ = NoisyOr(logits=True).vjp(np.array([[[-1000.0], [-900.0], [5.0]]]))

    assert values[0, 0] == pytest.approx(-1000 + np.log(3), rel=1e-13)
    np.testing.assert_allclose(pull(np.ones((1, 1)))[0], np.full((1, 3, 1), 1 / 3), rtol=1e-12)
    assert far[0, 0] == pytest.approx(5, rel=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_no_maps_are_no_values(name):
    values, pull = _named(name).vjp(np.zeros((0, 5, 2)), np.zeros((0, 1), int))

    assert values.shape == (0, 2)
    assert pull(values)[0].shape == (0, 5, 2)


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_are_refused_as_their_mean_is_none(name):
    """The mean of 0 and 1 would be 0."""
    aggregate, scores = _named(name), np.array([[0, 1], [1, 0], [1, 1]])
    with pytest.raises(CoreError, match="type int64; expected floating"):
        aggregate.forward(scores[None])
    with pytest.raises(CoreError, match="type int64; expected floating"):
        aggregate.step(aggregate.init(2), scores)


def test_layers_within_behave_as_in_training_with_a_generator():
    """Dropout drops, and a batch norm takes its steps towards the batch."""
    scores = np.random.default_rng(0).standard_normal((4, 9, 2)).astype(np.float32)
    dropping = Adjacent(Dropout(0.5), Mean())
    norming = Adjacent(BatchNorm.create(2), Mean())
    values, pull = norming.vjp(scores, rng=np.random.default_rng(1))

    assert (dropping.vjp(scores, rng=np.random.default_rng(1))[0] != dropping.forward(scores)).all()
    np.testing.assert_allclose(values, scores_normed(scores), atol=1e-5)
    assert (pull(values)[1].layer.mean != 0).all()


def scores_normed(scores):
    flat = scores.reshape(-1, scores.shape[-1])
    return ((scores - flat.mean(axis=0)) / flat.std(axis=0)).mean(axis=1)
