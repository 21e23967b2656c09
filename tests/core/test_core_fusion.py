"""Which boxes of several looks belong to one object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_core.decide import agreeing, box_iou
from cnn_core.errors import CoreError, ShapeError

SEEDS = st.integers(0, 2**31)


def drawn(seed: int, count: int, looks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlaps, scores and looks of boxes that crowd a small place."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 20, (count, 2))
    boxes = np.concatenate((low, low + rng.uniform(5, 25, (count, 2))), axis=1)
    return box_iou(boxes, boxes), rng.random(count), rng.integers(0, looks, count)


@given(SEEDS, st.integers(0, 30), st.integers(1, 4), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_a_group_is_the_best_box_and_the_nearest_of_each_other_look(
    seed: int, count: int, looks: int, iou: float
) -> None:
    overlaps, scores, by = drawn(seed, count, looks)

    groups = agreeing(overlaps, scores, by, iou)

    every = [int(at) for group in groups for at in group]
    assert len({*every}) == len(every)
    for group in groups:
        assert len({*by[group]}) == len(group)
        assert scores[group].max() == scores[group[0]]
        assert (overlaps[group[0], group[1:]] > iou).all()
    # What is in no group is the double of a better box.
    heads = [int(group[0]) for group in groups]
    for at in {*range(count)} - {*every}:
        assert any(overlaps[head, at] > iou and scores[head] >= scores[at] for head in heads)
    # And no two objects are one.
    assert all(overlaps[one, two] <= iou for one in heads for two in heads if one != two)


@given(SEEDS, st.integers(1, 20))
def test_of_one_look_the_best_stay(seed: int, count: int) -> None:
    overlaps, scores, _ = drawn(seed, count, 1)

    groups = agreeing(overlaps, scores, np.zeros(count, int))

    assert all(len(group) == 1 for group in groups)
    assert [float(scores[group[0]]) for group in groups] == sorted(
        (float(scores[group[0]]) for group in groups), reverse=True
    )


def test_the_box_that_overlaps_most_is_taken_not_the_better_one() -> None:
    overlaps = np.array([[1, 0.6, 0.8], [0.6, 1, 0.7], [0.8, 0.7, 1]])

    (group,) = agreeing(overlaps, np.array([0.9, 0.8, 0.2]), np.array([0, 1, 1]))

    assert group.tolist() == [0, 2]


def test_what_cannot_be_grouped_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"got shapes \(2, 3\), \(2,\) and \(2,\)"):
        agreeing(np.zeros((2, 3)), np.zeros(2), np.zeros(2, int))
    with pytest.raises(CoreError, match="got iou 2"):
        agreeing(np.zeros((1, 1)), np.zeros(1), np.zeros(1, int), 2)
    with pytest.raises(CoreError, match="finite"):
        agreeing(np.zeros((1, 1)), np.array([np.nan]), np.zeros(1, int))
