"""Training through the scan: the gradient reaches every window, padding counts for nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnn_core.aggregate import Adjacent, LogSumExp, Max, linear
from cnn_core.arrays import Array
from cnn_core.batches import Arrays
from cnn_core.errors import CoreError, GeometryError, ShapeError
from cnn_core.fit import fit
from cnn_core.layers import BatchNorm, Conv1d, Conv2d, MaxPool, Relu, Sequential
from cnn_core.losses import binary_cross_entropy
from cnn_core.measure import predict
from cnn_core.optim import AdamW
from cnn_core.recipes import Recipe
from cnn_core.schedules import Constant
from cnn_core.tree import leaves, tree_map
from cnn_core.weak import Padded, Swept


def _net(axes: int, rng: np.random.Generator) -> Sequential:
    conv = Conv1d if axes == 1 else Conv2d
    pool = MaxPool.create(2, axes=axes)
    return Sequential(
        (conv.create(rng, 2, 4, 3), Relu(), pool, conv.create(rng, 4, 1, 2, stride=1))
    )


def _swept(axes: int) -> Swept:
    rng = np.random.default_rng(0)
    aggregate = linear(rng, 1, 2, LogSumExp(0.5), axes=axes)
    return tree_map(lambda a: a.astype(np.float64), Swept(_net(axes, rng), aggregate))


@pytest.mark.parametrize("axes", [1, 2])
def test_backward_matches_central_differences(axes: int) -> None:
    """Through aggregate and scan, to the inputs and to every weight; recordings of any length."""
    rng = np.random.default_rng(1)
    swept, x = _swept(axes), rng.standard_normal((2, *(15, 12)[:axes], 2))
    lengths = np.array([[15, 12], [11, 9]])[:, :axes]
    values, pull = swept.vjp(Padded(x, lengths))
    dy, v, eps = rng.standard_normal(values.shape), rng.standard_normal(x.shape), 1e-6
    dx, gradient = pull(dy)

    def value(net: Swept, x: Array) -> float:
        return float((net.forward(Padded(x, lengths)) * dy).sum())

    slope = (value(swept, x + eps * v) - value(swept, x - eps * v)) / (2 * eps)
    assert (dx * v).sum() == pytest.approx(slope, rel=1e-5)
    direction = tree_map(lambda a: rng.standard_normal(a.shape), swept)
    moved = [tree_map(lambda a, d, s=s: a + s * eps * d, swept, direction) for s in (1, -1)]
    slope = (value(moved[0], x) - value(moved[1], x)) / (2 * eps)
    inner = sum(
        (g * d).sum() for (_, g), (_, d) in zip(leaves(gradient), leaves(direction), strict=True)
    )
    assert inner == pytest.approx(slope, rel=1e-5)
    alone = swept.vjp_weights(Padded(x, lengths))[1](dy)
    for (path, a), (_, b) in zip(leaves(alone), leaves(gradient), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=path)


@pytest.mark.parametrize("axes", [1, 2])
def test_a_padded_recording_is_the_recording_alone(axes: int) -> None:
    rng = np.random.default_rng(2)
    swept, x = _swept(axes), rng.standard_normal((2, *(15, 12)[:axes], 2))
    lengths = np.array([[15, 12], [11, 9]])[:, :axes]
    together = swept.forward(Padded(x, lengths))

    for n, size in enumerate(lengths):
        alone = x[(slice(n, n + 1), *(slice(s) for s in size))]
        np.testing.assert_allclose(together[n], swept.forward(alone)[0], atol=1e-12)


def test_a_recording_shorter_than_a_window_answers_nothing_found() -> None:
    swept = Swept(_net(1, np.random.default_rng(0)), Max(empty=-9.0))

    assert swept.forward(np.zeros((2, 3, 2), np.float32)).tolist() == [[-9], [-9]]
    assert swept.output_shape((2, 3, 2)) == (2, 1)


def test_a_pattern_is_learnt_without_its_place_and_then_found() -> None:
    """Trained on places of the first half alone, it is found in the second."""
    rng = np.random.default_rng(0)
    pattern = np.array([3.0, 3, 3, -3, -3, -3], np.float32)

    def drawn(count: int, low: int, high: int) -> tuple[Array, Array, Array]:
        x = rng.standard_normal((count, 60, 1)).astype(np.float32)
        holds, places = rng.random(count) < 0.5, rng.integers(low, high, count)
        for row, place, held in zip(x, places, holds, strict=True):
            row[place : place + 6, 0] += pattern if held else pattern[::-1]
        return x, holds[:, None].astype(np.float32), places

    window = Sequential((Conv1d.create(rng, 1, 8, 6), Relu(), Conv1d.create(rng, 8, 1, 1)))
    net = Swept(window, LogSumExp())
    optimiser = AdamW()
    state = optimiser.init(net)
    for _ in range(250):
        x, holds, _ = drawn(32, 0, 24)
        values, pull = net.vjp_weights(x)
        net, state = optimiser.step(net, state, pull(binary_cross_entropy(values, holds)[1]), 5e-3)

    x, holds, places = drawn(400, 30, 54)
    assert ((net.forward(x) > 0) == (holds > 0)).mean() > 0.95
    found = net.net.forward(x)[..., 0].argmax(axis=1)
    held = holds[:, 0] > 0
    assert (abs(found - places)[held] <= 1).mean() > 0.9


def test_what_cannot_be_swept_is_refused() -> None:
    swept = _swept(1)
    with pytest.raises(GeometryError, match="sweep its `net`"):
        _ = swept.windows
    with pytest.raises(
        ShapeError, match=r"got lengths \[\[16\], \[3\]\].* expected 2 rows of 0 to"
    ):
        Padded(np.zeros((2, 15, 2)), np.array([[16], [3]]))


def test_recordings_of_different_lengths_are_trained_by_fit() -> None:
    """What lies behind a recording's end is not learnt from."""
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal((n, 2)).astype(np.float32) for n in rng.integers(12, 20, 64)]
    holds = (rng.random(64) < 0.5)[:, None].astype(np.float32)
    for x, held in zip(drawn, holds, strict=True):
        x[4:8] += 3 * held
    together = Padded.of(drawn)
    louder = Padded(together.values.copy(), together.lengths)
    for row, (end,) in zip(louder.values, louder.lengths, strict=True):
        row[end:] = 50
    net = Swept(_net(1, rng), LogSumExp())
    recipe = Recipe(batch=16, epochs=30, schedule=Constant(1e-2), optimiser=AdamW())
    ways = [
        fit(net, Arrays(inputs, holds), recipe, loss=binary_cross_entropy).net
        for inputs in (together, louder)
    ]

    for (_, a), (_, b) in zip(*map(leaves, ways), strict=True):
        np.testing.assert_array_equal(a, b)
    assert ((predict(ways[0], together) > 0) == (holds > 0)).mean() > 0.9


def test_a_checkpoint_of_other_padded_recordings_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drawn = [rng.standard_normal((n, 2)).astype(np.float32) for n in range(12, 20)]
    holds = (rng.random(8) < 0.5)[:, None].astype(np.float32)
    net = Swept(_net(1, rng), LogSumExp())
    recipe = Recipe(batch=8, epochs=1, schedule=Constant(1e-2), optimiser=AdamW())

    def fitted(recordings: list[Array]) -> Swept:
        examples = Arrays(Padded.of(recordings), holds)
        kept = tmp_path / "kept"
        return fit(net, examples, recipe, loss=binary_cross_entropy, checkpoint=kept).net

    once, again = fitted(drawn), fitted(drawn)
    np.testing.assert_array_equal(once.net.layers[0].weight, again.net.layers[0].weight)
    with pytest.raises(CoreError):
        fitted([x + 1 for x in drawn])


def test_a_layer_of_the_aggregate_is_trained_as_one_of_the_network() -> None:
    rng = np.random.default_rng(0)
    swept = Swept(_net(1, rng), Adjacent(BatchNorm.create(1)))
    x = rng.standard_normal((4, 15, 2)).astype(np.float32)

    for vjp in (swept.vjp_weights, lambda x, rng: _weights_only(swept.vjp(x, rng))):
        values, pull = vjp(x, np.random.default_rng(0))
        assert (pull(values).aggregate.layer.mean != 0).all()


def _weights_only(ways):
    values, pull = ways
    return values, lambda dy: pull(dy)[1]
