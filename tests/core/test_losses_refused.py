"""Losses: what they refuse, and how they tell it."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.errors import ShapeError, TrainingError
from cnn_core.losses import (
    Head,
    MultiTask,
    binary_cross_entropy,
    cross_entropy,
    ctc,
    iou_loss,
    smooth_l1,
    squared_error,
)

BAD = {
    "classes of another shape": (
        lambda: cross_entropy(np.zeros((2, 3)), np.zeros(3, int)),
        ShapeError,
        r"cross_entropy: got classes of shape \(3,\); expected \(2,\)",
    ),
    "a class too high": (
        lambda: cross_entropy(np.zeros((2, 3)), np.array([0, 3])),
        TrainingError,
        r"cross_entropy: got class 3 at \(1,\); expected 0 to 2",
    ),
    "a negative class": (
        lambda: cross_entropy(np.zeros((2, 3)), np.array([-1, 0])),
        TrainingError,
        r"got class -1 at \(0,\)",
    ),
    "classes that are fractions": (
        lambda: cross_entropy(np.zeros((2, 3)), np.zeros(2)),
        TrainingError,
        "got classes of type float64; expected whole numbers",
    ),
    "an empty batch": (
        lambda: cross_entropy(np.zeros((0, 3)), np.zeros(0, int)),
        ShapeError,
        r"cross_entropy: got an empty batch of shape \(0,\)",
    ),
    "no class at all": (
        lambda: cross_entropy(np.zeros((2, 0)), np.zeros(2, int)),
        TrainingError,
        "got class 0",
    ),
    "too much smoothing": (
        lambda: cross_entropy(np.zeros((2, 3)), np.zeros(2, int), label_smoothing=1.0),
        TrainingError,
        "got label_smoothing 1.0; expected 0 to below 1",
    ),
    "a target of NaN": (
        lambda: binary_cross_entropy(np.zeros((2, 2)), np.array([[0, 1], [np.nan, 1]])),
        TrainingError,
        r"binary_cross_entropy: got a target of nan at \(1, 0\); expected numbers from 0 to 1",
    ),
    "a target beyond 1": (
        lambda: binary_cross_entropy(np.zeros(2), np.array([0.0, 1.5])),
        TrainingError,
        r"got a target of 1.5 at \(1,\)",
    ),
    "a negative focus": (
        lambda: binary_cross_entropy(np.zeros(2), np.zeros(2), focal_gamma=-1),
        TrainingError,
        "got focal_gamma -1; expected 0 or more",
    ),
    "an infinite target": (
        lambda: squared_error(np.zeros(2), np.array([0, np.inf])),
        TrainingError,
        r"squared_error: got a target of inf at \(1,\); expected finite numbers",
    ),
    "targets of another shape": (
        lambda: smooth_l1(np.zeros(3), np.zeros(2)),
        ShapeError,
        r"smooth_l1: got targets of shape \(2,\); expected \(3,\)",
    ),
    "a beta of 0": (
        lambda: smooth_l1(np.zeros(3), np.zeros(3), beta=0),
        TrainingError,
        "got beta 0; expected a number above 0",
    ),
    "weights of another shape": (
        lambda: smooth_l1(np.zeros(3), np.zeros(3), np.ones(2)),
        ShapeError,
        r"smooth_l1: got weights of shape \(2,\); expected one that broadcasts to \(3,\)",
    ),
    "a negative weight": (
        lambda: smooth_l1(np.zeros(3), np.zeros(3), np.array([1, -1, 1])),
        TrainingError,
        "got a weight below 0 or not finite",
    ),
    "boxes of five corners": (
        lambda: iou_loss(np.zeros((2, 5)), np.zeros((2, 5))),
        ShapeError,
        r"iou_loss: got boxes of shape \(2, 5\); expected 4 corners last",
    ),
    "a true box without area": (
        lambda: iou_loss(np.ones((1, 4)), np.array([[0.0, 0, 0, 1]])),
        TrainingError,
        "got a target without area; expected left < right and top < bottom",
    ),
    "sequences without labels of their own": (
        lambda: ctc(np.zeros((2, 4, 3)), np.array([4, 4]), [np.array([1])]),
        ShapeError,
        r"ctc: got 2 sequences, lengths of shape \(2,\) and 1 label sequences",
    ),
    "an empty batch of sequences": (
        lambda: ctc(np.zeros((0, 4, 3)), np.zeros(0, int), []),
        ShapeError,
        r"ctc: got an empty batch of shape \(0, 4, 3\)",
    ),
    "a sequence longer than its logits": (
        lambda: ctc(np.zeros((1, 4, 3)), np.array([5]), [np.array([1])]),
        ShapeError,
        "ctc: got lengths from 5 to 5; expected 1 to 4",
    ),
    "a label that is the blank": (
        lambda: ctc(np.zeros((1, 4, 3)), np.array([4]), [np.array([1, 0])]),
        TrainingError,
        "ctc: got label 0 in sequence 0; expected classes of 3 other than the blank, 0",
    ),
    "a label beyond the classes": (
        lambda: ctc(np.zeros((1, 4, 3)), np.array([4]), [np.array([3])]),
        TrainingError,
        "ctc: got label 3 in sequence 0",
    ),
    "a blank beyond the classes": (
        lambda: ctc(np.zeros((1, 4, 3)), np.array([4]), [np.array([1])], blank=9),
        TrainingError,
        "ctc: got blank 9; expected 0 to 2",
    ),
    "labels that are fractions": (
        lambda: ctc(np.zeros((1, 4, 3)), np.array([4]), [np.array([1.7])]),
        ShapeError,
        r"ctc: got labels of type float64 and shape \(1,\) in sequence 0; expected whole numbers",
    ),
    "a task without targets": (
        lambda: MultiTask({"box": Head(0, 1, squared_error)})(np.zeros((2, 1)), {"bocks": 0}),
        TrainingError,
        "MultiTask: got no targets for box; expected them by name",
    ),
    "targets of one task for several": (
        lambda: MultiTask({"box": Head(0, 1, squared_error)})(np.zeros((2, 1)), np.zeros((2, 1))),
        TrainingError,
        "MultiTask: got no targets for box",
    ),
    "a head beyond the channels": (
        lambda: MultiTask({"box": Head(0, 4, squared_error)})(np.zeros((2, 1)), {}),
        TrainingError,
        "MultiTask: got 1 channels; expected at least 4 for box",
    ),
    "a head without channels": (
        lambda: Head(2, 2, squared_error),
        TrainingError,
        "Head: got channels 2 to 2; expected 0 <= first < last",
    ),
    "a negative factor": (
        lambda: Head(0, 2, squared_error, -1.0),
        TrainingError,
        "Head: got factor -1.0; expected 0 or more",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_loss_can_use_is_refused_by_name(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()
