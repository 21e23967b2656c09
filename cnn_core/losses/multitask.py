"""Several losses on one network's outputs, each on channels of its own and with its factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import TrainingError
from cnn_core.losses.loss import Loss


@dataclass(frozen=True)
class Head:
    """One task: the channels from `first` to below `last` of the outputs, and their loss."""

    first: int
    last: int
    loss: Loss
    factor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.last:
            raise TrainingError(
                f"Head: got channels {self.first} to {self.last}; expected 0 <= first < last"
            )
        if not 0 <= self.factor < np.inf:
            raise TrainingError(f"Head: got factor {self.factor}; expected 0 or more")


@dataclass(frozen=True, eq=False)
class MultiTask:
    """A loss: the sum of factor * loss over the tasks; outputs (..., L), L the heads' channels.

    `targets[task]` are the targets of a task: a mapping, or a structured array, whose rows `Arrays`
    can draw. Channels of no task have no gradient.
    """

    heads: Mapping[str, Head]

    def __call__(self, outputs: Array, targets: Any) -> tuple[float, Array]:
        total, slopes = 0.0, np.zeros_like(outputs)
        for task, head in self.heads.items():
            if head.last > outputs.shape[-1]:
                raise TrainingError(
                    f"MultiTask: got {outputs.shape[-1]} channels; expected at least {head.last} "
                    f"for {task}"
                )
            channels = slice(head.first, head.last)
            value, slope = head.loss(outputs[..., channels], self._targets(targets, task))
            total += head.factor * value
            slopes[..., channels] += head.factor * slope
        return total, slopes

    def _targets(self, targets: Any, task: str) -> Any:
        try:
            return targets[task]
        except (IndexError, KeyError, ValueError):
            raise TrainingError(
                f"MultiTask: got no targets for {task}; expected them by name, as in a mapping "
                f"or a structured array, for {', '.join(self.heads)}"
            ) from None
