"""Trees: arrays are reached in one order, put back in the same, and nothing else is touched."""

from __future__ import annotations

import numpy as np

from cnn_core.layers import BatchNorm, Conv1d, Identity, Relu, Sequential, Sum
from cnn_core.tree import arrays, count_weights, leaves, roles, statistics, tree_map, with_arrays


def net():
    rng = np.random.default_rng(0)
    conv = Conv1d.create(rng, 2, 2, 3, padding="same", bias=False)
    return Sequential((Sum((Identity(), Sequential((conv, BatchNorm.create(2))))), Relu()))


def test_arrays_flags_and_leaves_go_together():
    tree = net()
    assert [id(array) for array in arrays(tree)] == [id(array) for _, array in leaves(tree)]
    assert roles(tree) == ["filter", "offset", "offset", "statistic", "statistic"]
    followed = {
        path
        for (path, _), role in zip(leaves(tree), roles(tree), strict=True)
        if role == "statistic"
    }
    assert followed == statistics(tree)
    assert count_weights(tree) == 12 + 4


def test_arrays_put_back_are_the_same_tree():
    tree = net()
    doubled = with_arrays(tree, [2 * array for array in arrays(tree)])
    for (path, old), (other, new) in zip(leaves(tree), leaves(doubled), strict=True):
        assert path == other
        np.testing.assert_array_equal(new, 2 * old)
    assert type(doubled) is Sequential
    assert doubled.layers[0].branches[1].layers[0].padding == ((1, 1),)


def test_what_does_not_change_is_the_very_same_object():
    tree = net()
    assert tree_map(lambda array: array, tree) is tree
    moved = tree_map(lambda array: array + 1, tree)
    assert moved is not tree
    assert moved.layers[1] is tree.layers[1]
    assert moved.layers[0].branches[0] is tree.layers[0].branches[0]


def test_an_optional_array_that_is_absent_stays_absent():
    conv = net().layers[0].branches[1].layers[0]
    assert tree_map(lambda array: array * 2, conv).bias is None
    assert [path for path, _ in leaves(conv)] == ["weight"]
