"""Losses: each gives its value and its gradient with respect to the first argument.

`ctc`, for sequences without alignment, has a module of its own, as it gives a value a sequence.
"""

from cnn_core.losses.boxes import generalised_iou, iou_loss
from cnn_core.losses.classification import binary_cross_entropy, cross_entropy
from cnn_core.losses.multitask import multi_task
from cnn_core.losses.regression import smooth_l1, squared_error

__all__ = [
    "binary_cross_entropy",
    "cross_entropy",
    "generalised_iou",
    "iou_loss",
    "multi_task",
    "smooth_l1",
    "squared_error",
]
