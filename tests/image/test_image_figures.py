"""Figures: worked examples of AP50, AUC and thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sweepnet_service.detectors.image.figures import (
    Outcome,
    average_precision,
    best_threshold,
    boxes_per_picture,
    judge,
    precision,
    presence_auc,
    recall,
    share_with_boxes,
    threshold_for,
)


def _outcome(
    scores: list[float], right: list[bool], true_count: int, presence: float = 0.0
) -> Outcome:
    return Outcome(np.array(scores), np.array(right, bool), true_count, presence)


BOXES = np.array([[0.0, 0, 10, 10], [1, 0, 10, 10], [50, 50, 60, 60]])


def test_a_true_box_is_found_once() -> None:
    outcome = judge(np.array([0.9, 0.8, 0.7]), BOXES, BOXES[:1], 0.9)

    assert outcome.right.tolist() == [True, False, False]
    assert outcome.true_count == 1


def test_of_two_true_boxes_each_takes_the_one_it_overlaps_most() -> None:
    outcome = judge(np.array([0.9, 0.8]), BOXES[:2], BOXES[[1, 0]], 0.9)

    assert outcome.right.tolist() == [True, True]


def test_without_true_boxes_all_are_wrong() -> None:
    outcome = judge(np.array([0.9, 0.8, 0.7]), BOXES, np.zeros((0, 4)), 0.9)

    assert not outcome.right.any()


def test_without_boxes_nothing_is_judged() -> None:
    assert len(judge(np.zeros(0), np.zeros((0, 4)), BOXES, 0.1).right) == 0


def test_average_precision_of_a_worked_example() -> None:
    # Right, wrong, right over 3 true boxes: (1 + 2/3) / 3.
    outcomes = [_outcome([0.9, 0.5], [True, True], 2), _outcome([0.7], [False], 1)]

    assert average_precision(outcomes) == pytest.approx((1 + 2 / 3) / 3)


def test_average_precision_ends_at_0_and_1() -> None:
    assert average_precision([_outcome([0.9], [True], 1)]) == 1
    assert average_precision([_outcome([0.9], [False], 1)]) == 0
    assert average_precision([_outcome([], [], 1)]) == 0
    assert average_precision([]) == 0


def test_precision_is_made_to_fall() -> None:
    # Wrong, right, right: precision 1/2 and 2/3, the first raised to 2/3.
    assert average_precision([_outcome([0.9, 0.8, 0.7], [False, True, True], 2)]) == pytest.approx(
        2 / 3
    )


def test_recall_precision_and_boxes_at_a_threshold() -> None:
    outcomes = [_outcome([0.9, 0.5], [True, False], 2), _outcome([0.2], [True], 1)]

    assert recall(outcomes, 0.5) == pytest.approx(1 / 3)
    assert precision(outcomes, 0.5) == 0.5
    assert precision(outcomes, 0.95) == 1
    assert boxes_per_picture(outcomes, 0.5) == 1
    assert share_with_boxes(outcomes, 0.5) == 0.5


def test_presence_auc_counts_ties_half() -> None:
    positive = [_outcome([], [], 1, p) for p in (0.9, 0.5)]
    negative = [_outcome([], [], 0, p) for p in (0.5, 0.1)]

    assert presence_auc(positive, negative) == pytest.approx(3.5 / 4)
    assert math.isnan(presence_auc(positive, []))


def test_a_threshold_for_a_rate_allows_that_many_boxes_and_is_the_lowest() -> None:
    outcomes = [_outcome([0.9, 0.3], [False, False], 0), _outcome([0.6], [False], 0)]

    chosen = threshold_for(outcomes, 0.5)

    assert boxes_per_picture(outcomes, chosen) == 0.5
    assert chosen == pytest.approx(0.6)
    assert threshold_for(outcomes, 5) == 0


def test_the_best_threshold_parts_right_from_wrong() -> None:
    right = [_outcome([0.9, 0.8, 0.7], [True] * 3, 3)]
    wrong = [_outcome([0.4, 0.3], [False] * 2, 0)]

    assert 0.4 < best_threshold(right + wrong) <= 0.7
    assert best_threshold([]) == 0.5
