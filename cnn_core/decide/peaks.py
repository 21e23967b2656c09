"""Peaks in time: hysteresis, patience and a refractory time, one rule or one for each label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import CoreError, ShapeError


@dataclass(frozen=True)
class Peak:
    """A run of windows above threshold: first and last window, the highest one and its score."""

    first: int
    last: int
    peak: int
    score: float


@dataclass(frozen=True)
class HysteresisState:
    """How many windows were seen, the run that is open, when the next one may begin.

    `recent` are the scores of the last windows, which patience may still count.
    """

    seen: int = 0
    open: Peak | None = None
    earliest: int = 0
    recent: tuple[float, ...] = ()


@dataclass(frozen=True)
class Hysteresis:
    """A peak begins at `threshold`, ends below `release` or after `longest` windows.

    It takes `patience` windows at or above threshold among `within` in a row to begin one, so that
    a single window that errs begins none; the first of them is then the peak's first. For
    `refractory` windows after a peak's end no other begins, and none of them counts. The same
    code decides live and offline; peaks are given when they end.
    """

    threshold: float
    release: float
    refractory: int = 0
    longest: int = 1_000_000
    patience: int = 1
    within: int | None = None
    """By default `patience`: they must be in a row."""

    def __post_init__(self) -> None:
        if not -np.inf < self.release <= self.threshold < np.inf:
            raise CoreError(
                f"hysteresis: got threshold {self.threshold} and release {self.release}; "
                "expected numbers with release <= threshold"
            )
        if self.refractory < 0 or self.longest < 1:
            raise CoreError(
                f"hysteresis: got refractory {self.refractory} and longest {self.longest}; "
                "expected refractory >= 0 and longest >= 1 windows"
            )
        if not 1 <= self.patience <= self._within <= self.longest:
            raise CoreError(
                f"hysteresis: got patience {self.patience} within {self._within}, longest "
                f"{self.longest} windows; expected 1 <= patience <= within <= longest"
            )

    @property
    def _within(self) -> int:
        return self.patience if self.within is None else self.within

    def init(self) -> HysteresisState:
        return HysteresisState()

    def step(self, state: HysteresisState, scores: Array) -> tuple[HysteresisState, list[Peak]]:
        """Peaks that end within the scores (t,), and the state to go on with."""
        _check(scores)
        # Window numbers are places in `known` + zero.
        known = np.concatenate((state.recent, scores))
        at, zero = len(state.recent), state.seen - len(state.recent)
        run, earliest = state.open, state.earliest
        peaks: list[Peak] = []
        while at < len(known):
            if run is None:
                run = self._begun(known, at, zero, earliest)
                if run is None:
                    break
                at = run.last - zero + 1
                continue
            past = self._end(known, at, zero, run)
            run = _extended(run, known[at:past], zero + at)
            at = past
            if at < len(known):
                peaks.append(run)
                run, earliest = None, zero + at + self.refractory
        recent = tuple(known[max(0, len(known) - self._within + 1) :].tolist())
        return HysteresisState(state.seen + len(scores), run, earliest, recent), peaks

    def finish(self, state: HysteresisState) -> list[Peak]:
        """The peak that the end of the signal cuts off, if one is open."""
        return [state.open] if state.open else []

    def peaks(self, scores: Array) -> list[Peak]:
        """All peaks of a whole signal's scores (t,)."""
        state, ended = self.step(self.init(), scores)
        return ended + self.finish(state)

    def _begun(self, known: Array, at: int, zero: int, earliest: int) -> Peak | None:
        """The first run that begins at place `at` or later, up to the window that begins it."""
        first = max(0, at - self._within + 1, earliest - zero)
        above = known[first:] >= self.threshold
        count = np.cumsum(above)
        count[self._within :] = count[self._within :] - count[: -self._within]
        enough = np.flatnonzero(count >= self.patience) + first
        enough = enough[enough >= at]
        if not len(enough):
            return None
        last = int(enough[0])
        counted = max(first, last - self._within + 1)
        begin = counted + int(np.argmax(above[counted - first :]))
        best = begin + int(np.argmax(known[begin : last + 1]))
        return Peak(zero + begin, zero + last, zero + best, float(known[best]))

    def _end(self, known: Array, at: int, zero: int, run: Peak) -> int:
        """The first place from `at` on that is no longer in the run; the length where all are."""
        past = min(len(known), run.first + self.longest - zero)
        below = np.flatnonzero(known[at:past] < self.release)
        return at + int(below[0]) if len(below) else past


@dataclass(frozen=True)
class EachLabel:
    """One rule a label, over scores (t, L): peaks come with the number of their label."""

    rules: tuple[Hysteresis, ...]

    def init(self) -> tuple[HysteresisState, ...]:
        return tuple(rule.init() for rule in self.rules)

    def step(
        self, states: tuple[HysteresisState, ...], scores: Array
    ) -> tuple[tuple[HysteresisState, ...], list[tuple[int, Peak]]]:
        """Peaks that end within the scores (t, L), label by label, and the states to go on with."""
        if scores.ndim != 2 or scores.shape[1] != len(self.rules):
            raise ShapeError(
                f"peaks: got scores of shape {scores.shape}; expected (t, {len(self.rules)})"
            )
        steps = [
            rule.step(state, scores[:, label])
            for label, (rule, state) in enumerate(zip(self.rules, states, strict=True))
        ]
        ended = [(label, peak) for label, (_, peaks) in enumerate(steps) for peak in peaks]
        return tuple(state for state, _ in steps), ended

    def finish(self, states: tuple[HysteresisState, ...]) -> list[tuple[int, Peak]]:
        """The peaks that the end of the signal cuts off."""
        rules = zip(self.rules, states, strict=True)
        return [(n, peak) for n, (rule, state) in enumerate(rules) for peak in rule.finish(state)]


def _extended(run: Peak, scores: Array, window: int) -> Peak:
    """The run with further windows, the first of them number `window`."""
    if not len(scores):
        return run
    best, last = int(np.argmax(scores)), window + len(scores) - 1
    if scores[best] > run.score:
        return Peak(run.first, last, window + best, float(scores[best]))
    return Peak(run.first, last, run.peak, run.score)


def _check(scores: Array) -> None:
    if scores.ndim != 1:
        raise ShapeError(f"peaks: got scores of shape {scores.shape}; expected (t,)")
    wrong = np.flatnonzero(~np.isfinite(scores))
    if len(wrong):
        raise CoreError(
            f"peaks: got the score {scores[wrong[0]]} at window {wrong[0]}; expected finite numbers"
        )
