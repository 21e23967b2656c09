"""A batch as long rows, for what is done alike at every place: processors like long rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers.patches import cache_blocks

LONGEST = 2048
"""Numbers in a row at most; beyond that rows are as fast as they get."""
SMALL = 16384
"""Numbers of a batch for which longer rows are not worth the trouble."""


@dataclass(frozen=True, eq=False)
class LongRows:
    """A batch (..., C) as `values` (n, repeats * C): as many places in a row as divide it."""

    values: Array
    repeats: int

    @classmethod
    def of(cls, x: Array) -> Self:
        channels, places = x.shape[-1], x.size // x.shape[-1]
        most = LONGEST // channels if x.size > SMALL else 1
        repeats = next((r for r in range(most, 1, -1) if places % r == 0), 1)
        return cls(x.reshape(-1, repeats * channels), repeats)

    @property
    def places(self) -> int:
        return len(self.values) * self.repeats

    def wide(self, channels: Array) -> Array:
        """(C,) -> (repeats * C,): what meets a row."""
        return np.tile(channels, self.repeats)

    def blocks(self) -> Iterator[slice]:
        """Rows that stay in the cache while they are worked on."""
        row_bytes = self.values.shape[-1] * self.values.itemsize
        for (block,) in cache_blocks((len(self.values),), row_bytes):
            yield block

    def sum(self, part: Callable[[slice], Array]) -> Array:
        """Over all places the sum of what `part` makes of the rows of a block: (C,).

        As a product with ones, which is faster than a reduction and sums in blocks.
        """
        total: Array = np.zeros(self.values.shape[-1], self.values.dtype)
        for block in self.blocks():
            rows = part(block)
            total += np.ones(len(rows), rows.dtype) @ rows
        channels: Array = total.reshape(self.repeats, -1).sum(axis=0)
        return channels
