"""What networks look at: what holds for any of them, and what is known of simple ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.errors import CoreError, GeometryError, ShapeError
from cnn_core.explain import (
    effective_receptive_field,
    gradient_map,
    most_activating_patches,
    occlusion_map,
    project_back,
    shortest,
)
from cnn_core.layers import (
    Conv1d,
    Conv2d,
    Dense,
    Flatten,
    Identity,
    LeakyRelu,
    MaxPool,
    Relu,
    Sequential,
    Silu,
    Sum,
)
from cnn_core.tree import tree_map

RNG = np.random.default_rng(0)
RULES = ("gradient", "deconvnet", "guided")


def double(net):
    return tree_map(lambda a: a.astype(np.float64), net)


def small_net(rng, padding="valid"):
    return double(
        Sequential((
            Conv2d.create(rng, 2, 4, 3, padding=padding), Relu(), MaxPool.create(2, axes=2),
            Conv2d.create(rng, 4, 3, 3),
        ))
    )  # fmt: skip


def test_the_gradient_map_of_a_linear_network_is_its_weights():
    dense = double(Dense.create(RNG, 6, 3))
    maps = gradient_map(Sequential((Flatten(), dense)), RNG.standard_normal((2, 2, 3, 1)), 1)

    for found in maps:
        np.testing.assert_array_equal(found.ravel(), dense.weight[:, 1])


@pytest.mark.parametrize("place", [(0, 0), (1, 2), (2, 0)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_nothing_outside_the_window_moves_a_score(place, padding):
    net = small_net(np.random.default_rng(1), padding)
    found = gradient_map(net, RNG.standard_normal((2, 12, 12, 2)), 0, place)
    spans = [window.span(i) for window, i in zip(net.windows, place, strict=True)]
    inside = tuple(slice(max(0, start), end) for start, end in spans)

    assert found[:, *inside].any()
    found[:, *inside] = 0
    assert not found.any()


def test_without_a_place_each_input_answers_where_its_score_is_highest():
    net = small_net(np.random.default_rng(2))
    x = RNG.standard_normal((3, 10, 10, 2))
    scores = net.forward(x)[..., 1]
    maps = gradient_map(net, x, 1)

    for sample in range(3):
        place = np.unravel_index(scores[sample].argmax(), scores.shape[1:])
        alone = gradient_map(net, x[sample : sample + 1], 1, tuple(map(int, place)))
        np.testing.assert_array_equal(maps[sample], alone[0])


def test_covering_what_is_there_already_changes_nothing():
    net = small_net(np.random.default_rng(3))
    falls = occlusion_map(net, np.full((2, 9, 9, 2), 0.25), 0, size=3, stride=2, fill=0.25)

    assert falls.shape == (2, 4, 4)
    np.testing.assert_array_equal(falls, 0)


def test_occlusion_falls_where_the_pattern_is():
    """A detector of bright pixels misses exactly the one that was covered."""
    net = Conv2d(np.ones((1, 1, 1, 1)), None, (1, 1), (1, 1), ((0, 0), (0, 0)))
    x = np.zeros((1, 4, 5, 1))
    x[0, 2, 3] = 2.0

    falls = occlusion_map(net, x, 0, size=1)[0]

    assert falls[2, 3] == 2.0
    assert np.count_nonzero(falls) == 1


def test_a_linear_networks_falls_are_weight_times_input():
    dense = double(Dense.create(RNG, 12, 2))
    x = RNG.standard_normal((2, 12, 1))
    falls = occlusion_map(Sequential((Flatten(), dense)), x, 1, size=3, stride=3)
    expected = (x[..., 0] * dense.weight[:, 1]).reshape(2, 4, 3).sum(axis=-1)

    np.testing.assert_allclose(falls, expected, atol=1e-12)


def test_the_field_of_boxes_is_their_convolution():
    """Two box filters of 3 in a row see 5 inputs with weights 1 2 3 2 1."""
    box = Conv1d(np.ones((3, 1, 1)), None, (1,), (1,), ((0, 0),))
    field = effective_receptive_field(Sequential((box, box)), RNG.standard_normal((2, 11, 1)))
    squares = np.square([1.0, 2.0, 3.0, 2.0, 1.0])

    np.testing.assert_allclose(field, squares / squares.sum())


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_field_has_the_size_of_the_window(padding):
    net = small_net(np.random.default_rng(4), padding)
    field = effective_receptive_field(net, RNG.standard_normal((4, 12, 12, 2)), (0, 0))

    assert field.shape == tuple(window.size for window in net.windows)
    assert field.sum() == pytest.approx(1)


def test_patches_are_what_their_output_saw():
    net = small_net(np.random.default_rng(5))
    x = RNG.standard_normal((6, 12, 12, 2))
    patches = most_activating_patches(net, x, 2, count=4)
    scores = [patch.score for patch in patches]

    assert scores == sorted(scores, reverse=True)
    assert len({patch.sample for patch in patches}) == 4
    assert scores[0] == net.forward(x)[..., 2].max()
    for patch in patches:
        alone = net.forward(patch.pixels[None])
        assert alone.shape[1:-1] == (1, 1)
        assert alone[0, 0, 0, 2] == pytest.approx(patch.score, abs=1e-12)


def test_patches_at_a_padded_border_hold_zeros_beyond_it():
    net = double(Conv2d.create(RNG, 1, 1, 3, padding="same"))
    net = Conv2d(np.ones_like(net.weight), None, net.stride, net.dilation, net.padding)
    x = np.zeros((1, 4, 4, 1))
    x[0, 0, 0] = 1
    (patch,) = most_activating_patches(net, x, 0)

    assert (patch.place, patch.score) == ((0, 0), 1.0)
    assert patch.pixels[..., 0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_the_rules_differ_at_the_relu_alone():
    """y = relu(relu(x) w) with w = (1, -1): what each rule sends back, by hand."""
    last = Dense(np.array([[1.0], [-1.0], [2.0]]), np.zeros(1))
    net = Sequential((Relu(), last))
    x = np.array([[3.0, 1.0, -1.0]])

    assert project_back(net, x, 0, rule="gradient").tolist() == [[1, -1, 0]]
    assert project_back(net, x, 0, rule="deconvnet").tolist() == [[1, 0, 2]]
    assert project_back(net, x, 0, rule="guided").tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("activation", [Identity(), LeakyRelu(), Silu()])
def test_a_rule_about_relus_is_refused_where_none_is(activation):
    """It would be the plain gradient under another name."""
    net = Sequential((Conv2d.create(RNG, 1, 2, 3), activation, MaxPool.create(2, axes=2)))
    x = RNG.standard_normal((2, 7, 7, 1))
    for rule in ("deconvnet", "guided"):
        with pytest.raises(CoreError, match=f'rule: got "{rule}" for a network without a Relu'):
            project_back(net, x, 1, rule=rule)
    plain = project_back(net, x, 1, rule="gradient")
    np.testing.assert_array_equal(plain, gradient_map(net, x, 1))


def test_no_inputs_are_no_maps():
    net, none = small_net(np.random.default_rng(0)), np.zeros((0, 10, 10, 2))

    assert gradient_map(net, none, 1).shape == none.shape
    assert occlusion_map(net, none, 1, size=4, stride=3).shape == (0, 3, 3)
    assert most_activating_patches(net, none, 1) == []


def test_inputs_smaller_than_a_window_have_no_score_to_explain():
    net, small = small_net(np.random.default_rng(0)), np.zeros((1, 4, 4, 2))
    for asked in (
        lambda: gradient_map(net, small, 1),
        lambda: occlusion_map(net, small, 1, size=2),
        lambda: effective_receptive_field(net, small),
        lambda: most_activating_patches(net, small, 1),
    ):
        with pytest.raises(GeometryError, match="as large as a window"):
            asked()


def test_where_all_is_positive_the_rules_agree_wherever_the_relu_is():
    """ReLUs within branches are reached as well: with one sign turned, they differ."""

    def net(sign):
        conv = Conv1d.create(np.random.default_rng(8), 2, 2, 3, padding="same")
        conv = replace(double(conv), weight=sign * np.abs(conv.weight).astype(np.float64))
        return Sequential((Sum((Identity(), Sequential((conv, Relu(), conv)))), conv))

    x = np.random.default_rng(9).uniform(0.5, 1, (1, 6, 2))
    maps = {sign: [project_back(net(sign), x, 0, rule=rule) for rule in RULES] for sign in (1, -1)}

    for found in maps[1][1:]:
        np.testing.assert_array_equal(found, maps[1][0])
    assert not np.array_equal(maps[-1][0], maps[-1][1])


@given(
    st.lists(st.floats(0, 1).filter(lambda v: v == 0 or v > 1e-3), min_size=1, max_size=12),
    st.floats(0.1, 0.99),
)
@settings(deadline=None)
def test_no_shorter_piece_holds_the_share(energy, share):
    values = np.array(energy)
    first, past = shortest(values, share)
    enough = [
        b - a
        for a in range(len(values))
        for b in range(a + 1, len(values) + 1)
        if values[a:b].sum() >= share * values.sum() - 1e-9
    ]

    assert 0 <= first < past <= len(values)
    if values.sum() > 0:
        assert values[first:past].sum() >= share * values.sum() - 1e-9
        assert past - first <= min(enough) + 0


def test_what_cannot_be_asked_is_named():
    net = small_net(np.random.default_rng(6))
    x = np.zeros((1, 10, 10, 2))
    flat = Sequential((Flatten(), Dense.create(RNG, 200, 2)))

    with pytest.raises(ShapeError, match=r"label: got 3; expected 0 to 2"):
        gradient_map(net, x, 3)
    with pytest.raises(ShapeError, match=r"place: got \(9, 0\); expected a place of a map of"):
        gradient_map(net, x, 0, (9, 0))
    with pytest.raises(GeometryError, match=r"got a patch of 11 for inputs of \(10, 10\)"):
        occlusion_map(net, x, 0, size=11)
    with pytest.raises(GeometryError, match="Flatten: joins all places"):
        most_activating_patches(flat, x, 0)
    with pytest.raises(CoreError, match="rule: got 'grad'"):
        project_back(net, x, 0, rule="grad")
