"""The multi-task sum: several losses on one network's outputs, each with its factor."""

from __future__ import annotations

from collections.abc import Mapping

from cnn_core.arrays import Array
from cnn_core.errors import TrainingError


def multi_task(
    losses: Mapping[str, tuple[float, Array]], factors: Mapping[str, float]
) -> tuple[float, dict[str, Array]]:
    """(sum of factor * loss, factor * gradient by task); a task without a factor counts once."""
    strangers = sorted(set(factors) - set(losses))
    if strangers:
        raise TrainingError(
            f"multi_task: got factors for {', '.join(strangers)}; expected tasks among "
            f"{', '.join(sorted(losses))}"
        )
    total = sum(factors.get(task, 1.0) * value for task, (value, _) in losses.items())
    return total, {task: factors.get(task, 1.0) * slope for task, (_, slope) in losses.items()}
