"""Losses: each gives its value and its gradient with respect to the first argument.

`ctc`, for sequences without alignment, gives a value a sequence; `ctc_loss` is its mean.
"""

from cnn_core.losses.boxes import generalised_iou, iou_loss
from cnn_core.losses.classification import binary_cross_entropy, cross_entropy
from cnn_core.losses.loss import Loss
from cnn_core.losses.multitask import Head, MultiTask
from cnn_core.losses.regression import smooth_l1, squared_error
from cnn_core.losses.sequence import ctc, ctc_loss
from cnn_core.losses.turned import probabilistic_iou

__all__ = [
    "Head",
    "Loss",
    "MultiTask",
    "binary_cross_entropy",
    "cross_entropy",
    "ctc",
    "ctc_loss",
    "generalised_iou",
    "iou_loss",
    "probabilistic_iou",
    "smooth_l1",
    "squared_error",
]
