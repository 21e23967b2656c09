"""Where a training's batches come from: arrays in memory, or anything that answers for rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError

Augment = Callable[[Array, np.random.Generator], Array]
"""Inputs of a batch -> random views of them that mean the same."""


class Examples(Protocol):
    """Inputs and targets by row; to be drawn anew whenever a row is asked for, if they vary."""

    def __len__(self) -> int:
        """How many examples an epoch shows."""

    def batch(self, rows: Integers, rng: np.random.Generator) -> tuple[Any, Any]:
        """Inputs (len(rows), ...), as the network takes them, and targets, as the loss does."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """Examples held in memory: inputs (N, ...), targets (N, ...); `augment` draws views.

    Inputs are an array, or whatever is taken by row as an array is, such as `weak.Padded`.
    Targets of several kinds are a structured array, for `MultiTask`.
    """

    inputs: Any
    targets: Any
    augment: Augment | None = None

    def __post_init__(self) -> None:
        for name in ("inputs", "targets"):
            if isinstance(getattr(self, name), list | tuple):
                raise ShapeError(
                    f"Arrays: got {name} as a {type(getattr(self, name)).__name__}; "
                    "expected an array, a row for each example"
                )
        if len(self.inputs) != len(self.targets):
            raise ShapeError(
                f"Arrays: got {len(self.inputs)} inputs and {len(self.targets)} targets; "
                "expected one target for each input"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, rows: Integers, rng: np.random.Generator) -> tuple[Any, Any]:
        inputs = self.inputs[rows]
        return inputs if self.augment is None else self.augment(inputs, rng), self.targets[rows]
