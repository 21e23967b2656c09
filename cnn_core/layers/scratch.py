"""Memory for the steps of a block of work, taken again by the next block."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import DTypeLike

from cnn_core.arrays import Array


class Scratch:
    """Arrays by name, of any shape, with whatever was left in them.

    Fresh memory costs the system time page by page, more than a block's arithmetic sometimes.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self._dtype = dtype
        self._held: dict[str, Array] = {}

    def take(self, name: str, *shape: int) -> Array:
        """An array of this shape; what was taken under this name before is lost."""
        size = prod(shape)
        if name not in self._held or self._held[name].size < size:
            self._held[name] = np.empty(size, self._dtype)
        return self._held[name][:size].reshape(shape)
