"""What a loss is to a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnn_core.arrays import Array

Loss = Callable[[Array, Any], tuple[float, Array]]
"""(outputs, targets) -> (the batch's mean loss, its gradient by the outputs)."""
