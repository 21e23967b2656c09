"""What every aggregate is, and what follows where it folds windows one by one.

An aggregate that folds names three things: what a window contributes, how two contributions join,
what the total is worth. Whole maps, padded batches, streams and horizons follow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any, ClassVar

import numpy as np

from cnn_core.aggregate.sliding import sliding
from cnn_core.arrays import Array, Integers
from cnn_core.errors import CoreError, ShapeError

State = Any
"""Plain arrays: the last windows (with a horizon), or running totals (without)."""

Pull = Callable[[Array], tuple[Array, Any]]
"""dy (N, L) -> (gradient of the scores, gradient of the aggregate's own weights)."""


class Aggregate(ABC):
    """Scores (N, *places, L) of all windows -> one value a label, (N, L)."""

    horizon: int | None
    """How many windows a stream's value looks back over; None: all of them."""

    @abstractmethod
    def vjp(
        self,
        scores: Array,
        lengths: Integers | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Pull]:
        """The values (N, L) and the function that pulls a gradient back to the scores.

        All places count, whatever the horizon; with `lengths` (N,), or (N, axes), only the first
        `lengths[n]` of map n. A map without windows has the value `empty`, and no gradient. With
        a generator layers within behave as in training, as those of a network do.
        """

    def forward(self, scores: Array, lengths: Integers | None = None) -> Array:
        """The values (N, L)."""
        return self.vjp(scores, lengths)[0]

    @abstractmethod
    def init(self, labels: int) -> State:
        """The state of a fresh stream."""

    @abstractmethod
    def step(self, state: State, scores: Array) -> tuple[State, Array]:
        """The state to go on with, and the values (t, L) after each of the scores (t, L)."""


@dataclass(frozen=True)
class Folded(Aggregate):
    """Windows folded by one ufunc; sums run in float64, so that hours of windows do not drift."""

    join: ClassVar[np.ufunc]
    nothing: ClassVar[float]
    """What joins without a change."""

    empty: float = field(default=0.0, kw_only=True)
    """The value of no windows at all: 0, not found. For log odds choose a low number."""

    def __post_init__(self) -> None:
        check_horizon(self.horizon)
        if not np.isfinite(self.empty):
            raise CoreError(f"aggregate: got empty = {self.empty}; expected a finite number")

    @abstractmethod
    def _lift(self, scores: Array) -> Array:
        """What each window contributes: (...) -> (terms, ...)."""

    @abstractmethod
    def _value(self, totals: Array) -> Array:
        """What totals (terms, ...) are worth: (...)."""

    @abstractmethod
    def _slopes(self, scores: Array, there: Array, values: Array) -> Array:
        """d value / d score at the windows that are there, (N, P, L)."""

    def vjp(
        self,
        scores: Array,
        lengths: Integers | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, Pull]:
        inside = present(scores, lengths)
        clean = checked(np.where(inside, scores, scores.dtype.type(0)), "aggregate")
        places = prod(scores.shape[1:-1])
        flat = clean.astype(np.float64).reshape(len(scores), places, scores.shape[-1])
        there: Array = inside.reshape(len(scores), places, 1)
        terms = np.where(there, self._lift(flat), self.nothing)
        totals = self.join.reduce(terms, axis=2, initial=self.nothing)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(there.any(axis=1), self._value(totals), self.empty)

        def pull(dy: Array) -> tuple[Array, Any]:
            with np.errstate(invalid="ignore", divide="ignore"):
                slopes = np.where(there, self._slopes(flat, there, values[:, None]), 0)
            dscores: Array = (slopes * dy[:, None]).reshape(scores.shape)
            return dscores.astype(scores.dtype), self

        return values.astype(scores.dtype), pull

    def init(self, labels: int) -> State:
        if self.horizon is not None:
            return np.zeros((0, labels))
        return np.full_like(self._lift(np.zeros((1, labels))), self.nothing)

    def step(self, state: State, scores: Array) -> tuple[State, Array]:
        check_rows(scores, state.shape[-1])
        states, values = self.step_all(state[None], scores[None])
        return states[0], values[0]

    def step_all(self, states: State, scores: Array) -> tuple[State, Array]:
        """`step` of N streams whose states (N, ...) have one shape: scores (N, t, L) to states and
        values (N, t, L).
        """
        checked(scores, "aggregate")
        new = scores.astype(np.float64)
        if self.horizon is None:
            # What states and scores contribute: (terms, N, 1 + t, L).
            terms = np.concatenate((states.swapaxes(0, 1), self._lift(new)), axis=2)
            totals = self.join.accumulate(terms, axis=2)
            values = self._value(totals[:, :, 1:])
            return totals[:, :, -1:].swapaxes(0, 1).copy(), values.astype(scores.dtype)
        seen = np.concatenate((states, new), axis=1)
        count, rows, labels = seen.shape
        terms = self._lift(seen).swapaxes(1, 2)
        totals = np.stack([
            sliding(self.join, term.reshape(rows, count * labels), self.horizon, self.nothing)
            for term in terms
        ])  # fmt: skip
        by_stream = totals.reshape(len(totals), rows, count, labels).swapaxes(1, 2)
        tails = seen[:, max(0, rows - self.horizon + 1) :].copy()
        return tails, self._value(by_stream[:, :, states.shape[1] :]).astype(scores.dtype)


def present(scores: Array, lengths: Integers | None) -> Array:
    """True where a place counts: (N, *places, 1); raises ShapeError."""
    axes = scores.ndim - 2
    if axes < 1:
        raise ShapeError(f"aggregate: got scores of shape {scores.shape}; expected (N, *places, L)")
    there = np.ones((*scores.shape[:-1], 1), bool)
    if lengths is None:
        return there
    lengths = by_axis(lengths)
    if lengths.shape != (len(scores), axes):
        raise ShapeError(
            f"aggregate: got lengths of shape {lengths.shape} for scores of shape {scores.shape}; "
            f"expected {(len(scores), axes)}: how many windows count, an axis each"
        )
    for axis in range(axes):
        places = np.arange(scores.shape[1 + axis])
        inside = places < lengths[:, axis : axis + 1]
        there &= np.expand_dims(inside, tuple(a for a in range(1, axes + 2) if a != 1 + axis))
    return there


def by_axis(lengths: Integers) -> Integers:
    """How many places of each map count, an axis each: (N,) or (N, axes) -> (N, axes)."""
    lengths = np.asarray(lengths)
    return lengths[:, None] if lengths.ndim == 1 else lengths


def checked(scores: Array, where: str) -> Array:
    """The scores; raises CoreError where one of them is no number, or a whole one by type:
    values of that type could not hold a mean."""
    if scores.dtype.kind != "f":
        raise CoreError(
            f"{where}: got scores of type {scores.dtype}; expected floating-point numbers"
        )
    wrong = np.argwhere(~np.isfinite(scores))
    if len(wrong):
        at = tuple(map(int, wrong[0]))
        raise CoreError(f"{where}: got the score {scores[at]} at {at}; expected finite numbers")
    return scores


def check_horizon(horizon: int | None) -> None:
    if horizon is not None and horizon < 1:
        raise CoreError(
            f"aggregate: got a horizon of {horizon} windows; expected at least 1, or None for all"
        )


def check_rows(scores: Array, labels: int) -> None:
    if scores.ndim != 2 or scores.shape[1] != labels:
        raise ShapeError(f"aggregate: got scores of shape {scores.shape}; expected (t, {labels})")
    checked(scores, "aggregate")
