"""The last inputs of one layer, of many streams: rings, so that a step moves little but what is
new.

A row holds a stream's last `past` inputs, and before its first one `fill`. There is room for
`spare` more: new ones are written where the row ends, over those that no window needs any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.layers.chunks import Chunk, Count, cut


class Tail:
    """Rows (past + spare, C), one a stream. Chunks longer than `spare` are joined to the past."""

    def __init__(
        self, past: int, spare: int, channels: int, dtype: np.dtype[Any], fill: float = 0.0
    ) -> None:
        self.past, self._spare, self._fill = past, spare, fill
        self._room = past + spare if past else 0
        self._inputs = np.empty((0, self._room, channels), dtype)
        self._ends = np.empty(0, np.intp)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of what is kept of one stream."""
        return (1, self.past, self._inputs.shape[2])

    def grow(self, streams: int) -> None:
        """Room for so many more."""
        more = np.full((streams, *self._inputs.shape[1:]), self._fill, self._inputs.dtype)
        self._inputs = np.concatenate((self._inputs, more))
        self._ends = np.concatenate((self._ends, np.zeros(streams, np.intp)))

    def clear(self, row: int) -> None:
        """The row becomes that of a stream that has heard nothing."""
        self._inputs[row] = self._fill

    def copy(self, row: int, to: int) -> None:
        """The other row becomes what this one is."""
        self._inputs[to], self._ends[to] = self._inputs[row], self._ends[row]

    def last(self, rows: Integers, past: int | None = None) -> Array:
        """What is kept of these streams, or the last `past` of it: (N, past, C)."""
        kept = self.past if past is None else past
        return self._taken(rows, self._ends[rows], np.arange(-kept, 0))

    def put(self, rows: Integers, last: Array) -> None:
        """Keeps what `last` gave, here or elsewhere."""
        self._inputs[rows, : self.past] = last
        self._ends[rows] = self.past

    def holds(self, chunk: Chunk) -> bool:
        """Whether the chunk is so short that it is written in place."""
        return self.past > 0 and chunk.x.shape[1] <= self._spare

    def through(self, chunk: Chunk, first: Count, length: int) -> Array:
        """Takes in the chunk: (N, length, C), the inputs from `first` behind its beginning on."""
        if not self.past:
            return cut(chunk.x, first, length)
        if self.holds(chunk):
            return self.gathered(chunk, first, np.arange(length))
        seen = np.concatenate((self.last(chunk.rows), chunk.x), axis=1)
        self.put(chunk.rows, cut(seen, chunk.count, self.past))
        return cut(seen, first + self.past, length)

    def gathered(self, chunk: Chunk, first: Count, places: Integers) -> Array:
        """The same of a chunk that is held: (N, len(places), C), at `places` from `first` on."""
        rows, length = chunk.rows, chunk.x.shape[1]
        ends = self._ends[rows]
        self._flat[self._index(rows, ends, np.arange(length))] = chunk.x
        self._ends[rows] = ends + chunk.count
        if isinstance(first, int):
            return self._taken(rows, ends, first + places)
        # A stream of fewer windows than others sees filler in their place, but nothing beyond.
        return self._taken(rows, ends, np.minimum(first[:, None] + places, length - 1))

    @property
    def _flat(self) -> Array:
        return self._inputs.reshape(-1, self._inputs.shape[2])

    def _taken(self, rows: Integers, ends: Integers, places: Integers) -> Array:
        # One index is faster than two.
        taken: Array = self._flat.take(self._index(rows, ends, places), axis=0)
        return taken

    def _index(self, rows: Integers, ends: Integers, places: Integers) -> Integers:
        """Of places counted from where each stream ends."""
        index = ends[:, None] + places
        index %= max(1, self._room)
        index += self._room * rows[:, None]
        return index


@dataclass(frozen=True)
class Lent:
    """The last `past` inputs of a layer that another one keeps: it is to be asked for them before
    that one takes in more.
    """

    tail: Tail
    past: int

    def behind(self, chunk: Chunk) -> Chunk:
        """The chunk behind what went before it."""
        seen = np.concatenate((self.tail.last(chunk.rows, self.past), chunk.x), axis=1)
        return Chunk(seen, chunk.before - self.past, chunk.count + self.past, chunk.rows)


def first_tail(tails: Any) -> Tail | None:
    """The tail of what is given to all layers of a tree, where the first of them keeps that."""
    while isinstance(tails, tuple) and tails:
        tails = tails[0]
    return tails if isinstance(tails, Tail) else None


def named(tails: Any, name: str = "") -> Iterator[tuple[str, Tail]]:
    """Every tail of a tree with its path: `2.1` is the third layer's second one."""
    if isinstance(tails, Tail):
        yield name, tails
    elif isinstance(tails, tuple):
        for place, each in enumerate(tails):
            yield from named(each, f"{name}.{place}" if name else str(place))
