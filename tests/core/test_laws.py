"""The laws of architecture.md, over every registered layer and every geometry that it names."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.errors import GeometryError
from cnn_core.layers import Embedding, Layer
from cnn_core.layers.compose import Branches
from cnn_core.tree import leaves, statistics, tree_map

NUMERIC = {cls for cls in Layer.registry.values() if cls is not Embedding}
"""Layers of numbers; one that reads words has tests of its own."""
LAYERS = sorted(NUMERIC, key=lambda cls: cls.__name__)


def _cases():
    for cls in LAYERS:
        for index, (layer, shape) in enumerate(cls.examples(np.random.default_rng(7))):
            yield pytest.param(layer, shape, id=f"{cls.__name__}-{index}")


CASES = list(_cases())
CHOOSING = {"MaxPool", "MedianPool", "Sequential", "WordPath"}
"""Layers whose gradient goes to some inputs only: the best one, or what a ReLU lets through."""


def _swept(layer):
    """Whether the layer has windows: what joins all places, or differs from place to place, has
    none."""
    try:
        return layer.windows is not None
    except GeometryError:
        return False


SWEPT = [c for c in CASES if _swept(c.values[0])]


def _pads(layer, shape):
    """Whether any output sees padding: border windows then cannot be cut out and run alone."""
    axes = len(shape) - 2
    windows = layer.windows or ()
    lengths = layer.lengths(shape[1:-1])
    return any(
        w.span(0)[0] < 0 or w.span(n - 1)[1] > size
        for w, n, size in zip(windows, lengths, shape[1 : 1 + axes], strict=True)
    )


def _cuttable(case):
    """Whether every window can be cut out and run alone."""
    layer, shape = case.values
    enlarges = any(window.step < 1 for window in layer.windows)
    return bool(layer.windows) and not enlarges and not _pads(layer, shape)


CUTTABLE = [c for c in SWEPT if _cuttable(c)]
EXACT = [c for c in CUTTABLE if not isinstance(c.values[0], Branches)]


def double(layer):
    return tree_map(lambda a: a.astype(np.float64), layer)


def test_every_layer_names_examples():
    """Each public layer has at least one geometry under the laws."""
    tested = {type(c.values[0]) for c in CASES}

    assert set(LAYERS) <= tested


@pytest.mark.parametrize(("layer", "shape"), SWEPT)
def test_geometry_is_measured_geometry(layer, shape):
    """Law 1: declared lengths are the output's, and nothing outside the declared span matters."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape)
    layer = double(layer)
    y = layer.forward(x)

    assert y.shape[1:-1] == layer.lengths(shape[1:-1])
    assert y.shape == layer.output_shape(shape)
    windows = layer.windows
    if not windows:
        return
    index = tuple(n // 2 for n in y.shape[1:-1])
    spans = [w.span(i) for w, i in zip(windows, index, strict=True)]
    inside = np.zeros(shape, bool)
    inside[(slice(None), *(slice(max(0, a), max(0, b)) for a, b in spans))] = True
    disturbed = np.where(inside, x, rng.standard_normal(shape))
    place = (slice(None), *index)
    np.testing.assert_allclose(layer.forward(disturbed)[place], y[place], atol=1e-12)


@pytest.mark.parametrize(("layer", "shape"), EXACT)
def test_receptive_field_ends_where_declared(layer, shape):
    """Law 1, the other way: the first and the last input of a span do matter, by the gradient."""
    layer = double(layer)
    x = np.random.default_rng(3).uniform(0.5, 1.0, shape)
    y, pull = layer.vjp(x)
    dy = np.zeros_like(y)
    dy[(0,) * (y.ndim - 1)] = np.random.default_rng(4).uniform(1, 2, y.shape[-1])
    dx, _ = pull(dy)
    seen = np.argwhere(np.abs(dx[0]).sum(axis=-1) > 0)
    for axis, window in enumerate(layer.windows):
        first, past = window.span(0)
        assert first <= seen[:, axis].min()
        assert seen[:, axis].max() < past
        if type(layer).__name__ not in CHOOSING:
            assert (seen[:, axis].min(), seen[:, axis].max() + 1) == (first, past)


@pytest.mark.parametrize(("layer", "shape"), CUTTABLE)
def test_scan_is_every_window_run_alone(layer, shape):
    """Law 2: score i of a scan is the network run on window i."""
    windows = layer.windows
    layer = double(layer)
    x = np.random.default_rng(2).standard_normal(shape)
    y = layer.forward(x)
    for index in np.ndindex(*y.shape[1:-1]):
        cut = tuple(slice(*w.span(i)) for w, i in zip(windows, index, strict=True))
        alone = layer.forward(x[(slice(None), *cut)])
        place = (slice(None), *index)
        np.testing.assert_allclose(alone[(slice(None), *(0,) * len(index))], y[place], atol=1e-12)


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_backward_matches_central_differences(layer, shape, mode):
    """Law 3: <pull(dy), v> is the slope along v, for the input and for every parameter."""
    rng = np.random.default_rng(5)
    layer = double(layer)
    x = rng.standard_normal(shape)
    fixed = statistics(layer)

    def run(layer, x):
        # The same generator state each time: dropout must draw the same mask.
        return layer.vjp(x, np.random.default_rng(11) if mode == "training" else None)

    y, pull = run(layer, x)
    dy = rng.standard_normal(y.shape)
    dx, gradient = pull(dy)
    assert type(gradient) is type(layer)
    eps = 1e-6
    v = rng.standard_normal(shape)
    slope = ((run(layer, x + eps * v)[0] - run(layer, x - eps * v)[0]) * dy).sum() / (2 * eps)
    np.testing.assert_allclose((dx * v).sum(), slope, rtol=1e-5, atol=1e-7)

    names = [path for path, _ in leaves(layer)]
    for name, (_, g) in zip(names, leaves(gradient), strict=True):
        if name in fixed:
            continue
        direction = rng.standard_normal(g.shape)

        def moved(sign, name=name, direction=direction):
            paths = iter(names)
            return tree_map(
                lambda a: a + sign * eps * direction if next(paths) == name else a, layer
            )

        slope = ((run(moved(1), x)[0] - run(moved(-1), x)[0]) * dy).sum() / (2 * eps)
        np.testing.assert_allclose((g * direction).sum(), slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_gradient_of_the_weights_alone_is_the_same(layer, shape):
    """`vjp_weights` gives the output and the gradient of `vjp`, bit for bit."""
    x = np.random.default_rng(6).standard_normal(shape)
    y, pull = layer.vjp(x, np.random.default_rng(11))
    alone, pull_weights = layer.vjp_weights(x, np.random.default_rng(11))

    np.testing.assert_array_equal(alone, y)
    for (_, a), (_, b) in zip(leaves(pull_weights(y)), leaves(pull(y)[1]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_batched_is_alone(layer, shape):
    """Law 6: a sample's output does not depend on who shares its batch."""
    layer = double(layer)
    x = np.random.default_rng(6).standard_normal(shape)
    together = layer.forward(x)
    for i in range(shape[0]):
        np.testing.assert_allclose(layer.forward(x[i : i + 1])[0], together[i], atol=1e-12)


@pytest.mark.parametrize(("layer", "shape"), SWEPT)
def test_a_signal_without_a_window_has_no_scores_and_no_gradient(layer, shape):
    """Laws 1 and 3 at length 0: nothing comes out, and nothing is pulled back."""
    short = (shape[0], *(0 if not layer.windows else 1 for _ in shape[1:-1]), shape[-1])
    layer = double(layer)
    if 0 not in layer.lengths(short[1:-1]):
        return
    y, pull = layer.vjp(np.ones(short))
    assert y.shape[1:-1] == layer.lengths(short[1:-1])
    dx, gradient = pull(np.zeros_like(y))
    assert dx.shape == short
    assert not dx.any()
    assert not any(g.any() for path, g in leaves(gradient) if path not in statistics(layer))
