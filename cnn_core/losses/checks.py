"""What every loss refuses: outputs that are no fractions, an empty batch, shapes that differ,
targets that mean nothing."""

from __future__ import annotations

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError, TrainingError


def expect_floating(loss: str, outputs: Array) -> None:
    """Refuse whole numbers: a gradient in their type would be cut off."""
    if outputs.dtype.kind != "f":
        raise ShapeError(
            f"{loss}: got outputs of type {outputs.dtype}; expected floating-point numbers"
        )


def expect_shape(loss: str, argument: str, found: tuple[int, ...], due: tuple[int, ...]) -> None:
    """Refuse an argument of another shape, and a batch without a single element."""
    if found != due:
        raise ShapeError(f"{loss}: got {argument} of shape {found}; expected {due}")
    if 0 in due:
        raise ShapeError(
            f"{loss}: got an empty batch of shape {due}; expected at least one element"
        )


def expect_range(
    loss: str, targets: Array, weights: Array | None, low: float = -np.inf, high: float = np.inf
) -> None:
    """Refuse targets that count and are not numbers from `low` to `high`."""
    fine = np.isfinite(targets) & (targets >= low) & (targets <= high)
    wrong = ~fine if weights is None else ~fine & (np.asarray(weights) > 0)
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        kind = "finite numbers" if np.isinf(high) else f"numbers from {low:g} to {high:g}"
        raise TrainingError(
            f"{loss}: got a target of {targets[place]} at {place}; expected {kind} "
            "(a weight of 0 leaves an element out)"
        )


def known_classes(loss: str, classes: Integers, count: int, weights: Array | None) -> Integers:
    """The classes, 0 where an element's weight is 0; refuses others than 0 .. count - 1."""
    if classes.dtype.kind not in "iu":
        raise TrainingError(
            f"{loss}: got classes of type {classes.dtype}; expected whole numbers, a class each"
        )
    wrong = (classes < 0) | (classes >= count)
    if weights is not None:
        idle = np.broadcast_to(np.asarray(weights) == 0, classes.shape)
        classes, wrong = np.where(idle, 0, classes), wrong & ~idle
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise TrainingError(
            f"{loss}: got class {classes[place]} at {place}; expected 0 to {count - 1}, "
            "as the network has one output a class (a weight of 0 leaves an element out)"
        )
    return classes
