"""Schedules: how large the optimiser's steps are as a training goes on.

A schedule is a frozen description; what it remembers is a state of plain numbers: `init` before the
first step, `rate` for each of `total` steps, `step` with the epoch's figure after each epoch. The
figure is one to be made small: an error or a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, inf, isfinite, isnan, pi
from typing import Protocol

from cnn_core.errors import TrainingError


@dataclass(frozen=True)
class ScheduleState:
    """What a schedule remembers of the figures it has seen."""

    factor: float = 1.0
    best: float | None = None
    waited: int = 0


class Schedule(Protocol):
    """What `fit` needs of a schedule."""

    def init(self) -> ScheduleState:
        """The state before the first epoch."""

    def rate(self, state: ScheduleState, step: int, total: int) -> float:
        """The learning rate of step `step`, 0 .. total - 1."""

    def step(self, state: ScheduleState, figure: float) -> ScheduleState:
        """The state after an epoch that ended with `figure`."""


@dataclass(frozen=True)
class _Forgetful:
    """A schedule that no figure changes."""

    peak: float

    def __post_init__(self) -> None:
        _expect(self, "peak", isfinite(self.peak) and self.peak > 0, "a rate above 0")

    def init(self) -> ScheduleState:
        return ScheduleState()

    def step(self, state: ScheduleState, figure: float) -> ScheduleState:
        return state


@dataclass(frozen=True)
class Constant(_Forgetful):
    """The same rate throughout."""

    def rate(self, state: ScheduleState, step: int, total: int) -> float:
        return self.peak


@dataclass(frozen=True)
class Step(_Forgetful):
    """The rate times `factor` after each of the shares `at` of the training, as 0.5 and 0.75."""

    at: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        fine = isinstance(self.at, tuple) and all(0 <= share <= 1 for share in self.at)
        _expect(self, "at", fine, "a tuple of shares from 0 to 1")
        _expect(self, "factor", 0 < self.factor < inf, "a number above 0")

    def rate(self, state: ScheduleState, step: int, total: int) -> float:
        passed = sum(step >= share * total for share in self.at)
        return self.peak * self.factor**passed


@dataclass(frozen=True)
class Cosine(_Forgetful):
    """A straight rise over the share `warmup`, then half a cosine down to 0 (Loshchilov and Hutter
    2017)."""

    warmup: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _expect(self, "warmup", 0 <= self.warmup < 1, "0 to below 1, a share of the training")

    def rate(self, state: ScheduleState, step: int, total: int) -> float:
        return cosine(step, total, self.peak, round(self.warmup * total))


@dataclass(frozen=True)
class ReduceOnPlateau:
    """The rate times `factor` once the figure has not fallen for more than `patience` epochs.

    The figure has fallen if it is below (1 - threshold) * the best so far, as in PyTorch.
    """

    peak: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    lowest: float = 0.0

    def __post_init__(self) -> None:
        _expect(self, "peak", isfinite(self.peak) and self.peak > 0, "a rate above 0")
        _expect(self, "factor", 0 < self.factor < 1, "a number between 0 and 1")
        _expect(self, "patience", self.patience >= 0, "0 epochs or more")
        _expect(self, "threshold", 0 <= self.threshold < 1, "0 to below 1, a share of the figure")
        _expect(self, "lowest", 0 <= self.lowest <= self.peak, "0 to the peak")

    def init(self) -> ScheduleState:
        return ScheduleState()

    def rate(self, state: ScheduleState, step: int, total: int) -> float:
        return max(self.peak * state.factor, self.lowest)

    def step(self, state: ScheduleState, figure: float) -> ScheduleState:
        if isnan(figure):
            raise TrainingError("ReduceOnPlateau: got a figure of nan; expected a number")
        if state.best is None or figure < state.best * (1 - self.threshold):
            return ScheduleState(state.factor, figure, 0)
        if state.waited < self.patience:
            return ScheduleState(state.factor, state.best, state.waited + 1)
        return ScheduleState(state.factor * self.factor, state.best, 0)


def _expect(schedule: object, name: str, fine: bool, expected: str) -> None:
    if not fine:
        raise TrainingError(
            f"{type(schedule).__name__}: got {name} {getattr(schedule, name)}; expected {expected}"
        )


def cosine(step: int, total: int, peak: float, warmup: int = 0) -> float:
    """Learning rate: a straight rise over `warmup` steps, then half a cosine from `peak` to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return peak * (1 + cos(pi * done)) / 2
