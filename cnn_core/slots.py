"""Where the tails of many streams lie: a row of every layer's tail for each stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import finalize

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers import Layer, Tails
from cnn_core.layers.tail import named

GROWTH = 4
"""Room grows by a part of itself: a quarter costs a few copies, and leaves little unused."""
SHORT = 12
"""Inputs of a chunk that is written in place: 100 ms of frames every 10 ms, and those that were too
few for a window before. More of them would take more memory."""


class Row:
    """One stream's place in the slots; who drops it gives it back."""

    def __init__(self, number: int) -> None:
        self.number = number


class Slots:
    """Rows of tails, claimed by streams; room grows when all are taken."""

    def __init__(self, net: Layer, channels: int, dtype: np.dtype[Any]) -> None:
        self.channels, self.dtype = channels, dtype
        self.tails: Tails = net.tails(SHORT, channels, dtype)
        self._each = dict(named(self.tails))
        self.room = 0
        self._free: list[int] = []

    def claim(self, saved: Mapping[str, Array] | None = None) -> Row:
        """The row of a stream that has heard nothing, or of one that was saved."""
        row = self._row()
        for name, tail in self._each.items():
            if saved is None:
                tail.clear(row.number)
            else:
                tail.put(np.array([row.number]), saved[name])
        return row

    def copy(self, row: Row) -> Row:
        """A further row that holds what this one holds."""
        other = self._row()
        for tail in self._each.values():
            tail.copy(row.number, other.number)
        return other

    def saved(self, row: Row) -> dict[str, Array]:
        """One stream's tails (1, past, C) by their names."""
        rows = np.array([row.number])
        return {name: tail.last(rows) for name, tail in self._each.items()}

    def _row(self) -> Row:
        if not self._free:
            self._grow()
        row = Row(self._free.pop())
        finalize(row, self._free.append, row.number)
        return row

    def _grow(self) -> None:
        more = max(1, self.room // GROWTH)
        for tail in self._each.values():
            tail.grow(more)
        self._free += range(self.room, self.room + more)
        self.room += more
