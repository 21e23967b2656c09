"""How well a window of phone scores spells a word: the best path through the word's CTC states.

The score of a window is the sum over its best path of log p(state) - max log p, divided by the
number of phones: 0 where the word's phones are the best ones throughout, negative else. The path
may begin and end anywhere in the window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import ShapeError
from cnn_core.geometry import Window, Windows
from cnn_core.layers.checks import check_setting
from cnn_core.layers.layer import Layer, Pull

NEVER = -1e9


@dataclass(frozen=True, eq=False)
class WordPath(Layer):
    """(N, T, phones) -> (N, T - size + 1, 1); `spellings` hold phone numbers, blank is 0.

    Of several spellings the best counts; scores below `floor` are set to it.
    """

    spellings: tuple[tuple[int, ...], ...]
    size: int
    floor: float

    def __post_init__(self) -> None:
        spelt = bool(self.spellings) and all(self.spellings)
        phones = spelt and min(map(min, self.spellings)) >= 1
        check_setting("WordPath: spellings", phones, self.spellings, "words of phones >= 1")
        check_setting("WordPath: size", self.size >= 1, self.size, "steps of a window >= 1")

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(((1, 2), (2, 2, 1)), 5, -8.0), (2, 9, 4)

    @property
    def windows(self) -> Windows:
        return (Window(self.size),)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        phones = max(map(max, self.spellings))
        if len(shape) != 3 or shape[-1] <= phones:
            raise ShapeError(
                f"{self}: got an input of shape {shape}; expected (N, T, phones) with more than "
                f"{phones}"
            )
        return (shape[0], *self.lengths(shape[1:-1]), 1)

    def forward(self, x: Array) -> Array:
        self.output_shape(x.shape)
        # Time before the batch: so windows lie together, of one long signal and of many short ones.
        phones_first = np.ascontiguousarray(x.T)
        costs = (phones_first - phones_first.max(axis=0)).astype(np.float64)
        y: Array = np.max([best_score(costs, word, self.size) for word in self.spellings], axis=0)
        return np.maximum(y, self.floor).T[:, :, None].astype(x.dtype)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        self.output_shape(x.shape)
        distance = x - x.max(axis=-1, keepdims=True)
        paths = [BestPath.find(distance, word, self.size) for word in self.spellings]
        scores = np.stack([path.score for path in paths])
        best, y = np.argmax(scores, axis=0), np.max(scores, axis=0)

        def pull(dy: Array) -> tuple[Array, Layer]:
            counted = np.where(y > self.floor, dy[:, :, 0], 0)
            dx = np.zeros_like(x)
            for index, path in enumerate(paths):
                path.pull(np.where(best == index, counted, 0), dx)
            top = np.argmax(x, axis=-1)[:, :, None]
            total = np.take_along_axis(dx, top, axis=-1) - dx.sum(axis=-1, keepdims=True)
            np.put_along_axis(dx, top, total, axis=-1)
            return dx, self

        return np.maximum(y, self.floor)[:, :, None].astype(x.dtype), pull


@dataclass(frozen=True, eq=False)
class BestPath:
    """The best path of one spelling in every window: score (N, windows) and the choices made.

    `came_from` (size, N, windows, S): 0, 1, 2 states before, or 3 where the path begins.
    """

    states: Integers
    score: Array
    last_step: Integers
    came_from: Integers

    @classmethod
    def find(cls, distance: Array, word: tuple[int, ...], size: int) -> BestPath:
        spelt = spell(word)
        skips = may_skip(spelt)
        count = max(0, distance.shape[1] - size + 1)
        cost = distance[:, :, spelt]
        begin = np.where(np.arange(len(spelt)) == 0, 0.0, NEVER)
        reached = np.full((len(distance), count, len(spelt)), NEVER)
        came_from = np.empty((size, *reached.shape), np.int8)
        ends = np.empty((size, *reached.shape[:2]))
        for step in range(size):
            one, two = later(reached, 1), later(reached, 2) + skips
            options = np.stack([reached, one, two, np.broadcast_to(begin, reached.shape)])
            came_from[step] = np.argmax(options, axis=0)
            reached = options.max(axis=0) + cost[:, step : step + count]
            ends[step] = reached[:, :, -1]
        return cls(spelt, ends.max(axis=0) / len(word), np.argmax(ends, axis=0), came_from)

    def pull(self, slope: Array, dx: Array) -> None:
        """Adds to `dx` what `slope` (N, windows) asks of the scores on the best paths."""
        phones = (len(self.states) + 1) // 2
        flow: Array = np.zeros(self.came_from.shape[1:])
        for step in range(len(self.came_from) - 1, -1, -1):
            flow[:, :, -1] += np.where(self.last_step == step, slope / phones, 0)
            for place, state in enumerate(self.states):
                dx[:, step : step + flow.shape[1], state] += flow[:, :, place]
            choice = self.came_from[step]
            parts = [earlier(np.where(choice == by, flow, 0), by) for by in range(3)]
            flow = parts[0] + parts[1] + parts[2]


def best_score(costs: Array, word: tuple[int, ...], size: int) -> Array:
    """The score of `BestPath` alone, from costs (phones, T, N): -> (windows, N).

    Phones and the blanks between them lie apart: a blank is reached from itself and from the phone
    before it, a phone from itself and from what reaches the blank before it, the first one from
    nothing.
    """
    phones, blanks = costs[list(word)], costs[0]
    # From a phone to its like the way leads over the blank.
    doubled = [place for place in range(1, len(word)) if word[place] == word[place - 1]]
    count = max(0, costs.shape[1] - size + 1)
    at_phone = np.full((len(word), count, costs.shape[2]), NEVER)
    at_blank = at_phone[1:].copy()
    onward, before = at_blank.copy(), np.zeros_like(at_phone)
    best = np.full(at_phone.shape[1:], -np.inf)
    for step in range(size):
        np.maximum(at_blank, at_phone[:-1], out=before[1:])
        np.add(before[1:], blanks[step : step + count], out=onward)
        for place in doubled:
            before[place] = at_blank[place - 1]
        at_blank, onward = onward, at_blank
        np.maximum(at_phone, before, out=at_phone)
        at_phone += phones[:, step : step + count]
        np.maximum(best, at_phone[-1], out=best)
    return best / len(word)


def spell(word: tuple[int, ...]) -> Integers:
    """The word's phones with blanks between them; none at the edges, which are free."""
    states = np.zeros(2 * len(word) - 1, np.intp)
    states[::2] = word
    return states


def may_skip(states: Integers) -> Array:
    """0 where the blank before a phone may be left out (another phone before it), else NEVER."""
    skips = np.full(len(states), NEVER)
    skips[2::2] = np.where(states[2::2] != states[:-2:2], 0.0, NEVER)
    return skips


def later(values: Array, by: int) -> Array:
    """Values moved `by` states on, NEVER moving in."""
    moved = np.full_like(values, NEVER)
    moved[..., by:] = values[..., : values.shape[-1] - by]
    return moved


def earlier(values: Array, by: int) -> Array:
    """Values moved `by` states back, 0 moving in."""
    moved = np.zeros_like(values)
    moved[..., : values.shape[-1] - by] = values[..., by:]
    return moved
