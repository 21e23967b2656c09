"""From the scores of many windows to one answer: running maximum, mean and softmax-weighted mean.

Each aggregate is pure: `init`, then `step` for every batch of scores; the same code runs over a
whole recording and over a live stream. With a horizon of h windows the value after window i is
the aggregate of the last h; without one, of all so far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import CoreError, ShapeError

State = Array
"""The last windows (with a horizon), or running sums (without); the last axis is the labels."""


class Aggregate(Protocol):
    """What all aggregates offer."""

    def init(self, labels: int) -> State: ...

    def step(self, state: State, scores: Array) -> tuple[State, Array]: ...


@dataclass(frozen=True)
class Max:
    """The largest score."""

    horizon: int | None = None

    def init(self, labels: int) -> State:
        return np.zeros((0, labels), np.float32)

    def step(self, state: State, scores: Array) -> tuple[State, Array]:
        """Values (t, L) after each of the scores (t, L)."""
        _check(scores, state.shape[-1])
        seen = np.concatenate((state, scores))
        if self.horizon is None:
            running = np.maximum.accumulate(seen)
            return running[-1:], running[len(state) :]
        largest = sliding(np.maximum, seen, self.horizon, -np.inf)
        return _tail(seen, self.horizon), largest[len(state) :]


@dataclass(frozen=True)
class Mean:
    """The mean score."""

    horizon: int | None = None

    def init(self, labels: int) -> State:
        return np.zeros((0, labels)) if self.horizon else np.zeros((2, labels))

    def step(self, state: State, scores: Array) -> tuple[State, Array]:
        """Values (t, L) after each of the scores (t, L)."""
        return _weighted_step(self.horizon, state, scores, lambda s: np.ones_like(s, np.float64))


@dataclass(frozen=True)
class SoftmaxMean:
    """The mean weighted by exp(score / temperature): cold near the maximum, hot near the mean."""

    temperature: float = 1.0
    horizon: int | None = None

    def __post_init__(self) -> None:
        if not 0.01 <= self.temperature < np.inf:
            raise CoreError(
                f"softmax temperature: got {self.temperature}; expected a number >= 0.01"
            )

    def init(self, labels: int) -> State:
        return np.zeros((0, labels)) if self.horizon else np.zeros((2, labels))

    def step(self, state: State, scores: Array) -> tuple[State, Array]:
        """Values (t, L) after each of the scores (t, L) in 0..1."""

        def weigh(scores: Array) -> Array:
            return np.exp((scores.astype(np.float64) - 1) / self.temperature)

        return _weighted_step(self.horizon, state, scores, weigh)


def _weighted_step(
    horizon: int | None, state: State, scores: Array, weigh: Callable[[Array], Array]
) -> tuple[State, Array]:
    """Running sum(w * s) / sum(w); sums in float64, so that hours of windows do not drift."""
    _check(scores, state.shape[-1])
    if horizon is None:
        weights = weigh(scores)
        sums = np.stack((weights * scores, weights), axis=1).cumsum(axis=0) + state
        last = sums[-1] if len(sums) else state
        return last, (sums[:, 0] / sums[:, 1]).astype(scores.dtype)
    seen = np.concatenate((state, scores))
    weights = weigh(seen)
    mean = sliding(np.add, weights * seen, horizon, 0) / sliding(np.add, weights, horizon, 0)
    return _tail(seen, horizon), mean[len(state) :].astype(scores.dtype)


def sliding(join: np.ufunc, values: Array, horizon: int, nothing: float) -> Array:
    """`join` over the last `horizon` rows up to each row: (n, L) -> (n, L).

    Two passes over the rows whatever the horizon (van Herk 1992): each window is the end of one
    block and the beginning of the next. Sums are never subtracted, so none lose their digits.
    """
    rows, labels = values.shape
    horizon = min(horizon, max(1, rows))
    blocks = -(-(rows + horizon - 1) // horizon)
    padded = np.full((blocks * horizon, labels), nothing, values.dtype)
    padded[horizon - 1 : horizon - 1 + rows] = values
    block = padded.reshape(blocks, horizon, labels)
    beginning = join.accumulate(block, axis=1).reshape(-1, labels)
    end = join.accumulate(block[:, ::-1], axis=1)[:, ::-1].reshape(-1, labels)
    first = np.arange(rows)
    last = beginning[first + horizon - 1]
    whole = (first % horizon == 0)[:, None]
    joined: Array = np.where(whole, last, join(end[first], last))
    return joined


def _tail(seen: Array, horizon: int) -> Array:
    return seen[max(0, len(seen) - horizon + 1) :].copy()


def _check(scores: Array, labels: int) -> None:
    if scores.ndim != 2 or scores.shape[1] != labels:
        raise ShapeError(f"aggregate: got scores of shape {scores.shape}; expected (t, {labels})")
