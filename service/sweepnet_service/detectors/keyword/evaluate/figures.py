"""What is measured of one label, as plain records: `Figures` and its parts.

One detector, or the five of speaker folds: a clip's miss is the share of the detectors that miss
it, false alarms are pooled over what each detector heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweepnet_service.detectors.keyword.calibration import Reliability
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.heard import Heard
from sweepnet_service.detectors.keyword.evaluate.intervals import Estimate, poisson_rate

ENOUGH_HOURS = 1.0
"""Below this no rate is claimed."""


@dataclass(frozen=True)
class FoldHeard:
    """One detector, what it made of test clips in each condition ("clean", "10 dB"), of speech
    without the word by people whom it never heard, and of noise.
    """

    detector: KeywordDetector
    words: Mapping[str, Sequence[Heard]]
    speech: Sequence[Heard]
    noise: Sequence[Heard] = ()


@dataclass(frozen=True)
class Condition:
    """Misses in one condition: `misses` is the share of the detectors that missed each clip."""

    name: str
    misses: Mapping[str, float]
    groups: int
    miss_rate: Estimate
    of_each: tuple[float, ...]


@dataclass(frozen=True)
class Kind:
    """False alarms on one kind of negative."""

    name: str
    hours: float
    alarms: int

    @property
    def rate(self) -> Estimate | None:
        """An hour, with the exact Poisson interval; None where less than an hour was heard."""
        return poisson_rate(self.alarms, self.hours) if self.hours >= ENOUGH_HOURS else None


@dataclass(frozen=True)
class Share:
    """Misses of the clips that share a value of an attribute ("sex", "female"), in the conditions
    that have any.
    """

    attribute: str
    value: str
    clips: int
    groups: int
    miss_rate: Mapping[str, Estimate]


@dataclass(frozen=True)
class Point:
    """One point of a DET curve: miss rates by condition against false alarms."""

    thresholds: tuple[float, ...]
    alarms: int
    false_alarms_per_hour: float
    miss_rate: Mapping[str, float]


@dataclass(frozen=True)
class Missed:
    """A clip that was missed: in which condition, by which share, and its best score."""

    recording: Recording
    condition: str
    share: float
    score: float


@dataclass(frozen=True)
class Alarm:
    """A false alarm: the event's start and end in seconds of the recording, and its score."""

    recording: Recording
    kind: str
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Figures:
    """What was measured of one label at `thresholds`, one a detector.

    `reliability`: how far scores are the probabilities that they are meant to be.
    """

    label: str
    thresholds: tuple[float, ...]
    conditions: tuple[Condition, ...]
    speech: Kind
    kinds: tuple[Kind, ...]
    shares: tuple[Share, ...]
    curve: tuple[Point, ...]
    delays_s: tuple[float, ...]
    missed: tuple[Missed, ...]
    alarms: tuple[Alarm, ...]
    asked_rate: float | None = None
    cautions: tuple[str, ...] = ()
    reliability: Reliability | None = None
