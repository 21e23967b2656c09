"""From scores to decisions: peaks in time with hysteresis, boxes without doubles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import CoreError


@dataclass(frozen=True)
class Peak:
    """A run of windows above threshold: first and last window, the highest one and its score."""

    first: int
    last: int
    peak: int
    score: float


@dataclass(frozen=True)
class HysteresisState:
    """How many windows were seen, the run that is open, and when the next one may begin."""

    seen: int = 0
    open: Peak | None = None
    earliest: int = 0


@dataclass(frozen=True)
class Hysteresis:
    """A peak begins at `threshold`, ends below `release` or after `longest` windows.

    For `refractory` windows after a peak's end no other begins. The same code decides live and
    offline; peaks are given when they end.
    """

    threshold: float
    release: float
    refractory: int = 0
    longest: int = 1_000_000

    def __post_init__(self) -> None:
        if self.release > self.threshold or self.refractory < 0 or self.longest < 1:
            raise CoreError(
                f"hysteresis: got {self}; expected release <= threshold, refractory >= 0 "
                "and longest >= 1"
            )

    def init(self) -> HysteresisState:
        return HysteresisState()

    def step(self, state: HysteresisState, scores: Array) -> tuple[HysteresisState, list[Peak]]:
        """Peaks that end within the scores (t,), and the state to go on with."""
        peaks: list[Peak] = []
        at, begin = 0, state.seen
        run, earliest = state.open, state.earliest
        while at < len(scores):
            if run is None:
                at = self._next_begin(scores, max(at, earliest - begin))
                if at == len(scores):
                    break
                run = Peak(begin + at, begin + at, begin + at, float(scores[at]))
            score, window = float(scores[at]), begin + at
            if score < self.release or window - run.first >= self.longest:
                peaks.append(run)
                run, earliest = None, window + self.refractory
            else:
                run = _extended(run, window, score)
                at += 1
        return HysteresisState(begin + len(scores), run, earliest), peaks

    def finish(self, state: HysteresisState) -> list[Peak]:
        """The peak that the end of the signal cuts off, if one is open."""
        return [state.open] if state.open else []

    def _next_begin(self, scores: Array, at: int) -> int:
        above = np.flatnonzero(scores[at:] >= self.threshold)
        return at + int(above[0]) if above.size else len(scores)


def _extended(peak: Peak, window: int, score: float) -> Peak:
    if score > peak.score:
        return Peak(peak.first, window, window, score)
    return replace(peak, last=window)


def box_iou(boxes: Array, others: Array) -> Array:
    """Intersection over union of every pair: (n, 4) x (m, 4) -> (n, m); boxes as x, y, x, y."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Array = np.clip(high - low, 0, None).prod(axis=-1)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1)
    other_areas = np.clip(others[:, 2:] - others[:, :2], 0, None).prod(axis=-1)
    union = areas[:, None] + other_areas[None, :] - shared
    return shared / np.where(union > 0, union, 1)


def non_maximum_suppression(
    boxes: Array, scores: Array, iou: float = 0.5, limit: int | None = None
) -> Integers:
    """Indices of the boxes that stay, best first: none overlaps a better one by more than `iou`."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and (limit is None or len(kept) < limit):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[box_iou(boxes[best : best + 1], boxes[rest])[0] <= iou]
    return np.asarray(kept, np.intp)
