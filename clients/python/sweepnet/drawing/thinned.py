"""Long series in bounded memory: no more values than a picture shows, each a maximum of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 4096


class Thinned(Generic[T]):
    """Values at a regular step; when they become too many, neighbours are joined two by two."""

    def __init__(self, join: Callable[[T, T], T], most: int = MOST) -> None:
        self.values: list[T] = []
        self.every = 1
        """How many of the values that came lie behind each that is kept."""
        self._join, self._most = join, most
        self._count = 0

    def add(self, value: T) -> None:
        """The next value; it is joined to the last while that one's share is not whole."""
        if self._count % self.every:
            self.values[-1] = self._join(self.values[-1], value)
        else:
            if len(self.values) == self._most:
                self._halve()
            self.values.append(value)
        self._count += 1

    def _halve(self) -> None:
        pairs = zip(self.values[::2], self.values[1::2], strict=True)
        self.values = [self._join(one, other) for one, other in pairs]
        self.every *= 2


def louder(one: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    """The larger value of each band."""
    return tuple(map(max, one, other))
