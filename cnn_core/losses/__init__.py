"""Losses: each gives its value and its gradient with respect to the first argument."""

from cnn_core.losses.classification import binary_cross_entropy, cross_entropy
from cnn_core.losses.multitask import multi_task
from cnn_core.losses.regression import smooth_l1

__all__ = ["binary_cross_entropy", "cross_entropy", "multi_task", "smooth_l1"]
