"""The laws of architecture.md, over every registered layer and every geometry that it names."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.errors import CoreError, GeometryError, ShapeError
from cnn_core.layers import BatchNorm, Conv1d
from cnn_core.layers.branches import Branches
from cnn_core.tree import leaves, statistics, tree_map
from tests.core.cases import CASES, LAYERS, double, draw, vocabulary

CHOOSING = {"MaxPool", "MedianPool", "Sequential", "WordPath"}
"""Layers whose gradient goes to some inputs only: the best one, or what a ReLU lets through."""


def _swept(layer):
    """Whether the layer has windows: what joins all places, or differs from place to place, has
    none."""
    try:
        return layer.windows is not None
    except GeometryError:
        return False


SWEPT = [c for c in CASES if _swept(c.values[0]) and vocabulary(c.values[0]) is None]


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
    x = draw(layer, shape, rng)
    fixed = statistics(layer)

    def run(layer, x):
        # The same generator state each time: dropout must draw the same mask.
        return layer.vjp(x, np.random.default_rng(11) if mode == "training" else None)

    y, pull = run(layer, x)
    dy = rng.standard_normal(y.shape)
    dx, gradient = pull(dy)
    assert type(gradient) is type(layer)
    eps = 1e-6
    if vocabulary(layer) is None:
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
    x = draw(layer, shape, np.random.default_rng(6))
    y, pull = layer.vjp(x, np.random.default_rng(11))
    alone, pull_weights = layer.vjp_weights(x, np.random.default_rng(11))

    np.testing.assert_array_equal(alone, y)
    for (_, a), (_, b) in zip(leaves(pull_weights(y)), leaves(pull(y)[1]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_batched_is_alone(layer, shape):
    """Law 6: a sample's output does not depend on who shares its batch."""
    layer = double(layer)
    x = draw(layer, shape, np.random.default_rng(6))
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


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_numbers_keep_their_precision(layer, shape, dtype, mode):
    """Single precision in, single precision out, forward and backward; double likewise."""
    layer = tree_map(lambda a: a.astype(dtype), layer)
    x = draw(layer, shape, np.random.default_rng(9))
    x = x if vocabulary(layer) else x.astype(dtype)
    y, pull = layer.vjp(x, np.random.default_rng(11) if mode == "training" else None)
    dx, gradient = pull(np.ones_like(y))

    assert {layer.forward(x).dtype, y.dtype, dx.dtype} == {np.dtype(dtype)}
    assert {a.dtype for _, a in leaves(gradient)} <= {np.dtype(dtype)}
    assert [a.shape for _, a in leaves(gradient)] == [a.shape for _, a in leaves(layer)]


def _refuse_writing(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_nothing_given_is_changed(layer, shape, mode):
    """Inputs, slopes and weights are only read; what was pulled once can be pulled again."""
    layer = tree_map(_refuse_writing, double(layer))
    x = _refuse_writing(draw(layer, shape, np.random.default_rng(9)))
    y, pull = layer.vjp(x, np.random.default_rng(11) if mode == "training" else None)
    kept, dy = y.copy(), _refuse_writing(np.random.default_rng(12).standard_normal(y.shape))
    dx, first = pull(dy)
    dx = dx.copy()
    layer.forward(x)
    again, second = pull(dy)

    np.testing.assert_array_equal(y, kept)
    np.testing.assert_array_equal(again, dx)
    for (_, a), (_, b) in zip(leaves(first), leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_an_empty_batch_gives_an_empty_output(layer, shape):
    """No sample in, none out, of the right shape; nothing is pulled back."""
    empty = (0, *shape[1:])
    x = draw(layer, empty, np.random.default_rng(0)).astype(
        np.int64 if vocabulary(layer) else float
    )
    y, pull = double(layer).vjp(x)
    dx, gradient = pull(np.zeros_like(y))

    assert y.shape == double(layer).forward(x).shape == layer.output_shape(empty)
    assert dx.shape == empty
    assert not any(g.any() for path, g in leaves(gradient) if path not in statistics(layer))


def test_a_batch_of_nothing_has_no_statistics():
    """Mean and variance of no sample are no numbers: training on none is refused."""
    with pytest.raises(ShapeError, match="at least one sample to train on"):
        BatchNorm.create(3).vjp(np.zeros((0, 5, 3), np.float32), np.random.default_rng(0))


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_a_wrong_input_is_refused_by_name_or_answered(layer, shape):
    """Any rank, any channels: an error that names the layer, what came and what was expected."""
    *outer, channels = shape
    wrong = [(2, channels), (*shape, 1), tuple(outer), (*outer, channels + 1), (*outer, 1)]
    for given in (each for each in wrong if len(each) > 1):
        try:
            y = layer.forward(draw(layer, given, np.random.default_rng(0)))
        except CoreError as error:
            told = str(error)
        else:
            assert y.shape == layer.output_shape(given)
            continue
        assert "got" in told, told
        assert "expected" in told, told


@pytest.mark.parametrize(("layer", "shape"), [c for c in CASES if leaves(c.values[0])])
def test_wrong_channels_are_refused(layer, shape):
    """A layer that has weights knows how many channels it takes."""
    if vocabulary(layer) is None and type(layer).__name__ != "NetworkPool":
        with pytest.raises(ShapeError, match=r"got an input of shape .* expected"):
            layer.forward(np.zeros((*shape[:-1], shape[-1] + 1), np.float32))


@pytest.mark.parametrize("kind", [np.uint8, np.int64, bool])
@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_whole_numbers_are_passed_on_or_refused_by_name(layer, shape, kind):
    """No layer computes with numbers that wrap around; words, and what is only moved, may be."""
    x = np.ones(shape, kind)
    for run in (layer.forward, layer.vjp):
        try:
            run(x)
        except ShapeError as error:
            told = str(error)
            assert "got" in told, told
            assert "expected" in told, told
        else:
            assert not layer.computes


def test_a_list_is_no_batch():
    """What is no array is refused by name, where its missing shape was an AttributeError."""
    layer = Conv1d.create(np.random.default_rng(0), 2, 3, 1)

    with pytest.raises(ShapeError, match="got list; expected a batch, a NumPy array"):
        layer.forward([[[1.0, 2.0]]])


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_half_precision_is_near_its_copy(layer, shape):
    """Sums of single weights and half-precision inputs are taken in single precision or near."""
    if vocabulary(layer) is None:
        x = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float16)
        y, expected = layer.forward(x), layer.forward(x.astype(np.float32))
        np.testing.assert_allclose(y, expected, rtol=1e-2, atol=2e-2)
