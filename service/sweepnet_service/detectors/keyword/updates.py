"""What a stream of audio is told: windows, aggregates, events, in samples of the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.explanation import SpotExplanation


class WindowScore(NamedTuple):
    """Probabilities, in the order of the labels, for source samples [start, end)."""

    start: int
    end: int
    scores: tuple[float, ...]
    warming: bool


class Aggregate(NamedTuple):
    """One label's scores over the horizon."""

    label: str
    maximum: float
    mean: float
    softmax: float


@dataclass(frozen=True)
class KeywordEvent:
    """A word that was heard: its extent [start, end) and middle `peak` in source samples."""

    label: str
    start: int
    end: int
    peak: int
    score: float


@dataclass(frozen=True)
class SpotUpdate:
    """What new samples brought: `window_count` windows, be they listed or not.

    Told if asked for: new `features` (t, bands), and `explanations`, of events, and at the end of
    the highest window where a label had none.
    """

    windows: tuple[WindowScore, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    events: tuple[KeywordEvent, ...] = ()
    read_until: int = 0
    features: Array | None = None
    explanations: tuple[SpotExplanation, ...] = ()
    window_count: int = 0
