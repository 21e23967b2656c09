"""CTC: the loss is the brute-force sum over paths, the gradient its slope; decoding, alignment."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from cnn_core.arrays import Array
from cnn_core.decode import align, edit_distance, greedy_decode
from cnn_core.errors import CoreError
from cnn_core.losses import ctc


def collapsed(path: tuple[int, ...]) -> list[int]:
    return [label for label, _ in itertools.groupby(path) if label]


def brute_force(logits: Array, labels: list[int]) -> float:
    """-log of the sum over all paths that spell the labels."""
    log_p = log_softmax(logits, axis=-1)
    steps, classes = logits.shape
    total = sum(
        np.exp(sum(log_p[step, label] for step, label in enumerate(path)))
        for path in itertools.product(range(classes), repeat=steps)
        if collapsed(path) == labels
    )
    return -np.log(total) if total else np.inf


@given(
    seed=st.integers(0, 10_000),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    labels=st.lists(st.lists(st.integers(1, 2), max_size=3), min_size=3, max_size=3),
)
@settings(max_examples=50, deadline=None)
def test_loss_is_the_sum_over_all_paths(
    seed: int, lengths: list[int], labels: list[list[int]]
) -> None:
    logits = np.random.default_rng(seed).normal(0, 2, (len(lengths), 5, 3))
    wanted = [np.array(label, int) for label in labels[: len(lengths)]]
    losses, _ = ctc(logits, np.array(lengths), wanted)
    expected = [
        brute_force(row[:length], list(label))
        for row, length, label in zip(logits, lengths, wanted, strict=True)
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-9)


def test_gradient_is_the_slope_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    logits, direction = rng.normal(0, 1, (2, 3, 9, 5))
    lengths, labels = np.array([9, 7, 8]), [np.array([1, 1, 2]), np.array([3]), np.array([], int)]
    _, gradient = ctc(logits, lengths, labels)
    ahead, _ = ctc(logits + 1e-6 * direction, lengths, labels)
    behind, _ = ctc(logits - 1e-6 * direction, lengths, labels)
    expected = (ahead - behind).sum() / 2e-6
    assert np.sum(gradient * direction) == pytest.approx(expected, rel=1e-6)


def test_padding_steps_have_no_gradient_and_no_part_in_the_loss() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 1, (1, 6, 4))
    losses, gradient = ctc(logits, np.array([4]), [np.array([1, 2])])
    logits[:, 4:] = 50
    other, _ = ctc(logits, np.array([4]), [np.array([1, 2])])
    np.testing.assert_array_equal(losses, other)
    assert not gradient[:, 4:].any()
    assert gradient[:, :4].any()


def test_impossible_labels_have_infinite_loss_and_no_gradient() -> None:
    logits = np.zeros((2, 3, 3))
    losses, gradient = ctc(logits, np.array([3, 3]), [np.array([1, 1]), np.array([1, 1, 2])])
    assert np.isfinite(losses[0])
    assert np.isinf(losses[1])
    assert gradient[0].any()
    assert not gradient[1].any()


def test_float32_gives_what_float64_gives() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 3, (2, 200, 40))
    labels = [rng.integers(1, 40, 60), rng.integers(1, 40, 10)]
    lengths = np.array([200, 150])
    fine, fine_gradient = ctc(logits, lengths, labels)
    coarse, gradient = ctc(logits.astype(np.float32), lengths, labels)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(coarse, fine, rtol=1e-4)
    np.testing.assert_allclose(gradient, fine_gradient, atol=1e-3)


def test_greedy_decoding_merges_repeats_and_drops_blanks() -> None:
    path = [0, 1, 1, 0, 1, 2, 2, 0]
    assert greedy_decode(np.eye(3)[path]) == [1, 1, 2]


@given(st.lists(st.integers(1, 3), max_size=6), st.lists(st.integers(1, 3), max_size=6))
def test_edit_distance_is_the_recursive_definition(a: list[int], b: list[int]) -> None:
    def by_definition(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        change = by_definition(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(change, by_definition(i - 1, j) + 1, by_definition(i, j - 1) + 1)

    assert edit_distance(a[:5], b[:5]) == by_definition(len(a[:5]), len(b[:5]))


def test_alignment_finds_where_each_label_is() -> None:
    path = [0, 0, 3, 3, 0, 1, 1, 1, 0, 1]
    spans = align(8.0 * np.eye(4)[path], np.array([3, 1, 1]))
    assert spans.tolist() == [[2, 3], [5, 7], [9, 9]]


@pytest.mark.parametrize(
    ("labels", "blank", "message"),
    [
        ([1, 1], 0, "align: got 2 steps for 2 labels; expected at least 3"),
        ([1, 2, 1], 0, "align: got 2 steps for 3 labels; expected at least 3"),
        ([7], 0, "align: got label 7 in sequence 0; expected classes of 3 other than the blank, 0"),
        ([1], 9, "align: got blank 9; expected 0 to 2"),
    ],
)
def test_labels_that_cannot_be_aligned_are_refused(
    labels: list[int], blank: int, message: str
) -> None:
    with pytest.raises(CoreError, match=message):
        align(np.zeros((2, 3)), np.array(labels), blank)
