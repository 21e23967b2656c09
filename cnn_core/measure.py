"""How good a network is: its outputs over many inputs, and figures to be made small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError
from cnn_core.fold import fold
from cnn_core.layers import Layer
from cnn_core.losses import Loss

Figure = Callable[[Layer], float]
"""A network -> a figure to be made small, as its error on unseen examples."""


def predict(net: Layer, inputs: Array, batch: int = 256) -> Array:
    """Outputs (N, ...) of inference for inputs (N, ...), `batch` at a time, batch norm folded."""
    if len(inputs) == 0:
        raise ShapeError(f"predict: got inputs of shape {inputs.shape}; expected at least one")
    if batch < 1:
        raise ShapeError(f"predict: got batch {batch}; expected 1 or more")
    folded = fold(net)
    starts = range(0, len(inputs), batch)
    return np.concatenate([folded.forward(inputs[start : start + batch]) for start in starts])


def error_rate(inputs: Array, classes: Integers, batch: int = 256) -> Figure:
    """The share of inputs (N, ...) for which a network's largest output is not their class (N,).

    A network with many outputs (N, *out, L) is told a class for each, (N, *out).
    """

    def error(net: Layer) -> float:
        found = predict(net, inputs, batch).argmax(axis=-1)
        if np.shape(classes) != found.shape:
            raise ShapeError(
                f"error_rate: got classes of shape {np.shape(classes)}; expected {found.shape}, "
                "one for each row of outputs"
            )
        return float(np.mean(found != classes))

    return error


def mean_loss(
    inputs: Array,
    targets: Any,
    loss: Loss,
    batch: int = 256,
) -> Figure:
    """The mean of a loss over all inputs (N, ...) with their targets, in inference."""
    return lambda net: loss(predict(net, inputs, batch), targets)[0]
