"""From the scores of many windows to one answer: running maximum, mean and softmax-weighted mean.

Each aggregate is pure: `init`, then `step` for every batch of scores; the same code runs over a
whole recording and over a live stream. With a horizon of h windows the value after window i is
the aggregate of the last h; without one, of all so far.
"""

from __future__ import annotations

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
        return _tail(seen, self.horizon), _sliding(seen, len(state), self.horizon).max(axis=-1)


@dataclass(frozen=True)
class Mean:
    """The mean score."""

    horizon: int | None = None

    def init(self, labels: int) -> State:
        return np.zeros((0, labels)) if self.horizon else np.zeros((2, labels))

    def step(self, state: State, scores: Array) -> tuple[State, Array]:
        """Values (t, L) after each of the scores (t, L)."""
        return _weighted_step(self.horizon, state, scores, np.ones_like(scores, np.float64))


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
        weights = np.exp((scores.astype(np.float64) - 1) / self.temperature)
        return _weighted_step(self.horizon, state, scores, weights, self.temperature)


def _weighted_step(
    horizon: int | None,
    state: State,
    scores: Array,
    weights: Array,
    temperature: float | None = None,
) -> tuple[State, Array]:
    """Running sum(w * s) / sum(w); sums in float64, so that hours of windows do not drift."""
    _check(scores, state.shape[-1])
    if horizon is None:
        sums = np.stack((weights * scores, weights), axis=1).cumsum(axis=0) + state
        last = sums[-1] if len(sums) else state
        return last, (sums[:, 0] / sums[:, 1]).astype(scores.dtype)
    seen = np.concatenate((state, scores))
    w = np.ones_like(seen) if temperature is None else np.exp((seen - 1) / temperature)
    total = np.nansum(_sliding(w * seen, len(state), horizon, np.nan), axis=-1)
    weight = np.nansum(_sliding(w, len(state), horizon, np.nan), axis=-1)
    return _tail(seen, horizon), (total / weight).astype(scores.dtype)


def _sliding(seen: Array, known: int, horizon: int, blank: float = -np.inf) -> Array:
    """For each new row the last `horizon` rows, blanks before the beginning: (t, L, horizon)."""
    before = np.full((max(0, horizon - 1 - known), seen.shape[-1]), blank, seen.dtype)
    padded = np.concatenate((before, seen[max(0, known - horizon + 1) :]))
    if len(seen) == known:
        return np.empty((0, seen.shape[-1], horizon), seen.dtype)
    return np.lib.stride_tricks.sliding_window_view(padded, horizon, axis=0)


def _tail(seen: Array, horizon: int) -> Array:
    return seen[max(0, len(seen) - horizon + 1) :].copy()


def _check(scores: Array, labels: int) -> None:
    if scores.ndim != 2 or scores.shape[1] != labels:
        raise ShapeError(f"aggregate: got scores of shape {scores.shape}; expected (t, {labels})")
