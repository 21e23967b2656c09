"""The word path: brute force on tiny windows, and the laws of every layer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.arrays import Array
from cnn_core.layers import WordPath


def by_brute_force(window: Array, word: tuple[int, ...]) -> float:
    """The best sum over all parts of the window and all paths that spell the word in them."""
    distance = window - window.max(axis=1, keepdims=True)
    best = -np.inf
    for first, past in itertools.combinations(range(len(window) + 1), 2):
        for path in itertools.product(range(window.shape[1]), repeat=past - first):
            spelt = tuple(label for label, _ in itertools.groupby(path) if label)
            if spelt == word and path[0] and path[-1]:
                total = sum(distance[first + step, label] for step, label in enumerate(path))
                best = max(best, float(total))
    return best / len(word)


@pytest.mark.parametrize("word", [(1,), (1, 2), (2, 2), (1, 2, 1)])
def test_score_is_the_best_path_in_the_window(word: tuple[int, ...]) -> None:
    x = np.random.default_rng(7).normal(0, 2, (2, 6, 3))
    y = WordPath((word,), 4, -1e6).forward(x)
    expected = [[by_brute_force(row[at : at + 4], word) for at in range(3)] for row in x]
    np.testing.assert_allclose(y[:, :, 0], expected)


def test_the_word_itself_scores_nought_and_others_less() -> None:
    spoken = 6.0 * np.eye(5)[[0, 0, 1, 0, 2, 2, 3, 0, 0, 0]][None]
    assert WordPath(((1, 2, 3),), 10, -8).forward(spoken)[0, 0, 0] == 0
    assert WordPath(((1, 4, 3),), 10, -8).forward(spoken)[0, 0, 0] < -1
    assert WordPath(((4, 4, 4, 4),), 10, -3).forward(spoken)[0, 0, 0] == -3
    assert WordPath(((1, 4, 3), (1, 2, 3)), 10, -8).forward(spoken)[0, 0, 0] == 0


def test_gradient_is_the_slope() -> None:
    rng = np.random.default_rng(2)
    for layer, shape in WordPath.examples(rng):
        x, direction = rng.normal(0, 1, (2, *shape))
        y, pull = layer.vjp(x)
        dy = rng.standard_normal(y.shape)
        dx, _ = pull(dy)
        step = 1e-6 * direction
        slope = np.sum((layer.forward(x + step) - layer.forward(x - step)) * dy) / 2e-6
        assert np.sum(dx * direction) == pytest.approx(slope, rel=1e-6)


@given(st.integers(0, 2**16), st.sampled_from([((1,),), ((2, 2, 1), (1, 3)), ((3, 1, 3, 1),)]))
@settings(max_examples=30, deadline=None)
def test_inference_alone_gives_the_bits_of_the_pass_with_choices(seed, spellings) -> None:
    layer = WordPath(spellings, 6, -8.0)
    x = np.random.default_rng(seed).normal(0, 2, (2, 11, 4)).astype(np.float32)
    np.testing.assert_array_equal(layer.forward(x), layer.vjp(x)[0])
