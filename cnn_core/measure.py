"""How good a network is: its outputs over many inputs, and figures to be made small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError
from cnn_core.fold import fold
from cnn_core.layers import Layer

Figure = Callable[[Layer], float]
"""A network -> a figure to be made small, as its error on unseen examples."""


def predict(net: Layer, inputs: Array, batch: int = 256) -> Array:
    """Outputs (N, ...) of inference for inputs (N, ...), `batch` at a time, batch norm folded."""
    if len(inputs) == 0:
        raise ShapeError(f"predict: got inputs of shape {inputs.shape}; expected at least one")
    folded = fold(net)
    starts = range(0, len(inputs), batch)
    return np.concatenate([folded.forward(inputs[start : start + batch]) for start in starts])


def error_rate(inputs: Array, classes: Integers, batch: int = 256) -> Figure:
    """The share of inputs (N, ...) for which a network's largest output is not their class (N,)."""
    return lambda net: float(np.mean(predict(net, inputs, batch).argmax(axis=-1) != classes))


def mean_loss(
    inputs: Array,
    targets: Any,
    loss: Callable[[Array, Any], tuple[float, Array]],
    batch: int = 256,
) -> Figure:
    """The mean of a loss over all inputs (N, ...) with their targets, in inference."""
    return lambda net: loss(predict(net, inputs, batch), targets)[0]
