"""Where the tails of many streams lie: one array a layer, one row a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import finalize

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers import Layer, Tails
from cnn_core.tree import arrays, tree_map

GROWTH = 4
"""Room grows by a part of itself: a quarter costs a few copies, and leaves little unused."""


class Row:
    """One stream's place in the slots; who drops it gives it back."""

    def __init__(self, number: int) -> None:
        self.number = number


class Slots:
    """Rows of tails, claimed by streams; room grows when all are taken."""

    def __init__(self, net: Layer, channels: int, dtype: np.dtype[Any]) -> None:
        self.channels, self.dtype = channels, dtype
        self._fresh = net.tails((1, 0, channels), dtype)
        self._tails = net.tails((1, 0, channels), dtype)
        self._room = 1
        self._free = [0]

    def claim(self, tails: Tails = None) -> Row:
        """A row that holds these tails of one stream, or those of one that has heard nothing."""
        row = self._row()
        self.put([row], self._fresh if tails is None else tails)
        return row

    def copy(self, row: Row) -> Row:
        """A further row that holds what this one holds."""
        other = self._row()
        for tail in arrays(self._tails):
            tail[other.number] = tail[row.number]
        return other

    def take(self, rows: Sequence[Row]) -> Tails:
        """The tails of several streams, one beside the other along the first axis; a view where
        their rows follow each other.
        """
        numbers = _index(rows)
        if isinstance(numbers, slice):
            return tree_map(lambda tail: tail[numbers], self._tails)
        return tree_map(lambda tail: tail.take(numbers, axis=0), self._tails)

    def put(self, rows: Sequence[Row], tails: Tails) -> None:
        """Keeps a copy of what a step has made of them."""
        numbers = _index(rows)
        tree_map(lambda kept, new: _set(kept, numbers, new), self._tails, tails)

    def _row(self) -> Row:
        if not self._free:
            self._grow()
        row = Row(self._free.pop())
        finalize(row, self._free.append, row.number)
        return row

    def _grow(self) -> None:
        more = max(1, self._room // GROWTH)
        self._tails = tree_map(lambda tail: np.concatenate((tail, tail[:more])), self._tails)
        self._free += range(self._room, self._room + more)
        self._room += more


def _index(rows: Sequence[Row]) -> Any:
    """A slice where the rows follow each other: no copy is made."""
    first = rows[0].number
    if [row.number for row in rows] == list(range(first, first + len(rows))):
        return slice(first, first + len(rows))
    return np.array([row.number for row in rows])


def _set(tails: Array, rows: Any, new: Array) -> Array:
    if tails.size:
        tails[rows] = new
    return tails
