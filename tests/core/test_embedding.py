"""Embedding: rows by number, their gradient, and numbers that are no words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_core.errors import GeometryError, ShapeError
from cnn_core.layers import Concat, Conv1d, Embedding, GlobalMaxPool, Sequential

RNG = np.random.default_rng(0)


@given(
    words=st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), max_size=4),
    dtype=st.sampled_from([np.int64, np.int32, np.uint8]),
)
def test_an_embedding_is_a_product_with_one_hot_rows(words, dtype):
    """Outputs and the gradient of the table: a frequent word gathers from all its places."""
    words = np.array(words, dtype).reshape(-1, 3)
    layer = Embedding(RNG.standard_normal((7, 4)))
    one_hot = np.eye(7)[words.astype(int)]
    y, pull = layer.vjp(words)
    np.testing.assert_array_equal(y, one_hot @ layer.weight)
    dy = RNG.standard_normal(y.shape)
    dx, gradient = pull(dy)
    np.testing.assert_allclose(gradient.weight, np.einsum("ntv,ntc->vc", one_hot, dy), atol=1e-12)
    assert dx.shape == words.shape
    assert not dx.any()
    assert y.shape == layer.output_shape(words.shape)


def test_a_network_that_begins_with_words_learns_its_table():
    """As a sentence classifier does: only the rows of words that were read move."""
    towers = [Conv1d.create(RNG, 4, 3, size) for size in (2, 3)]
    heads = Concat(tuple(Sequential((tower, GlobalMaxPool())) for tower in towers))
    net = Sequential((Embedding.create(RNG, 9, 4), heads))
    words = np.array([[1, 2, 3, 4], [4, 3, 2, 1]])
    y, pull = net.vjp_weights(words)
    assert y.shape == net.output_shape(words.shape) == (2, 6)
    table = pull(np.ones_like(y)).layers[0].weight
    assert set(np.flatnonzero(table.any(axis=1))) <= {1, 2, 3, 4}
    assert table.any()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (np.array([[0, 7]]), r"from 0 to 7; expected 0 to 6"),
        (np.array([[-1, 2]]), r"from -1 to 2; expected 0 to 6"),
        (np.zeros((2, 3)), r"type float64; expected integers \(N, T\)"),
        (np.zeros(3, int), r"shape \(3,\)"),
        (np.zeros((1, 2, 3), int), r"shape \(1, 2, 3\)"),
        (np.zeros((1, 2), bool), r"type bool"),
    ],
)
def test_numbers_that_are_no_words(words, expected):
    with pytest.raises(ShapeError, match=rf"Embedding\(7 words -> 2\).*{expected}"):
        Embedding.create(RNG, 7, 2).forward(words)


def test_an_empty_table_is_refused():
    with pytest.raises(GeometryError, match=r"Embedding\.create: got a vocabulary of 0"):
        Embedding.create(RNG, 0, 2)
