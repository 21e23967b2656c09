"""How good a spotter of few recordings is: each of them left out once, and false alarms counted.

Thresholds of the left-out spotters come from one half of the other sound, alarms are counted in the
other half. A second set of spotters learns from half of the recordings: what the other half of them
brought is how much a doubling brings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scipy.special import expit, logit

from sweepnet_service.detectors.keyword.assembly import Calibrated
from sweepnet_service.detectors.keyword.detector import KeywordDetector, OperatingPoint
from sweepnet_service.detectors.keyword.evaluate import (
    Alarms,
    Decider,
    Estimate,
    Heard,
    hours,
    poisson_rate,
)
from sweepnet_service.detectors.keyword.evaluate.intervals import clopper_pearson
from sweepnet_service.detectors.keyword.tuning import (
    DEFAULT_RATE,
    FEWEST_ALARMS,
    TAIL,
    alarm_odds,
    tail,
)

FEWEST_TOLD = 2.0
"""Alarms in the sound that a threshold is chosen on, at least. Some minutes of near words hold more
of what sounds like the word than days of talk: a threshold for fewer lies above the word's scores.
"""


@dataclass(frozen=True)
class Part:
    """A spotter that did not learn from some recordings, what it made of them, and of the other
    sound that thresholds are chosen on and that alarms are counted in.
    """

    label: str
    words: Sequence[Heard]
    choose: Sequence[Heard]
    count: Sequence[Heard]


@dataclass(frozen=True)
class Judged:
    """Recordings that spotters missed which had not learnt from them; false alarms in so many
    hours, pooled over the spotters.
    """

    recordings: int
    missed: int
    alarms: int
    hours: float
    spotters: int

    @property
    def miss(self) -> Estimate:
        """The share of missed recordings, with its exact interval."""
        return clopper_pearson(self.missed, self.recordings)

    @property
    def rate(self) -> Estimate:
        """False alarms an hour, with the exact interval of one spotter's count."""
        return poisson_rate(round(self.alarms / self.spotters), self.hours)


@dataclass(frozen=True)
class Told:
    """The estimate of a spotter: as it is, and of one that learnt from half of the recordings."""

    whole: Judged
    half: Judged | None

    @property
    def doubled(self) -> float | None:
        """The share that would be missed with twice as many recordings, if misses go on to fall
        as from half of them to all; None where nothing was missed or nothing is known.
        """
        if self.half is None or not (self.whole.missed and self.half.missed):
            return None
        ratio = min(1.0, self.whole.miss.value / self.half.miss.value)
        return self.whole.miss.value * ratio

    def sentences(self) -> list[str]:
        """The estimate in words."""
        told = [missed_told(self.whole), alarms_told(self.whole), self._more()]
        return [sentence for sentence in told if sentence]

    def _more(self) -> str:
        if self.half is None:
            return "Recordings are too few to tell what more of them would bring."
        before = f"Learnt from half of them it missed {self.half.missed}"
        if self.doubled is not None:
            return (
                f"{before}; with twice as many about {100 * self.doubled:.0f} % may be missed, if "
                "misses go on to fall so."
            )
        if self.whole.missed:
            return f"{before}; more recordings of other moods, places and speakers may help."
        return f"{before}; more recordings would make this estimate surer, not the spotter better."

    def to_dict(self) -> dict[str, Any]:
        return {
            "whole": asdict(self.whole),
            "half": asdict(self.half) if self.half else None,
            "sentences": self.sentences(),
        }


def missed_told(judged: Judged) -> str:
    miss = judged.miss
    return (
        f"Of {judged.recordings} recordings, each left out once, {judged.missed} were missed "
        f"({100 * miss.value:.0f} %; 95 %: {100 * miss.low:.0f} to {100 * miss.high:.0f} %)."
    )


def alarms_told(judged: Judged) -> str:
    rate = judged.rate
    return (
        f"{judged.alarms / judged.spotters:.1f} false alarms in {judged.hours:.2f} h of other "
        f"sound, {rate.low:.1f} to {rate.high:.1f} an hour."
    )


def judged(detector: KeywordDetector, parts: Sequence[Part]) -> Judged:
    """What left-out spotters, labels of one detector, miss and tell by mistake."""
    missed = alarms = 0
    for part in parts:
        rule = Decider(detector, part.label, threshold_of(detector, part))
        missed += sum(not rule.found(each) for each in part.words)
        alarms += rule.alarms(part.count)
    return Judged(
        recordings=sum(len(part.words) for part in parts),
        missed=missed,
        alarms=alarms,
        hours=hours(parts[0].count),
        spotters=len(parts),
    )


def told_at(
    detector: KeywordDetector, label: str, threshold: float, of_hours: float, told: Told
) -> KeywordDetector:
    """The detector with this threshold for `chosen_rate`, by the same rule that its estimate rests
    on, where too little sound was there to choose it as usual.
    """
    point = OperatingPoint(threshold, chosen_rate(of_hours), told.whole.miss.value, of_hours)
    return replace(
        detector,
        operating_points={**detector.operating_points, label: (point,)},
        default_thresholds={**detector.default_thresholds, label: threshold},
    )


def mapped(threshold: float, before: KeywordDetector, after: KeywordDetector) -> float:
    """A score of a detector of one label as another calibration of the same network tells it."""
    old, new = (Calibrated.of(each.net, 1) for each in (before, after))
    odds = (logit(threshold) - old.offset[0]) / old.scale[0]
    return float(expit(new.scale[0] * odds + new.offset[0]))


def chosen_rate(of_hours: float) -> float:
    """False alarms an hour that a threshold is chosen for on so much sound: one, or as many as
    FEWEST_TOLD in all of it are.
    """
    return max(DEFAULT_RATE, FEWEST_TOLD / of_hours)


def threshold_of(detector: KeywordDetector, part: Part) -> float:
    """The threshold for `chosen_rate`, on the tail of the alarms in the sound that it is chosen on;
    half way to certainty where that brings too few to tell.
    """
    found = Alarms(detector, part.label, part.choose)
    rate = chosen_rate(found.hours)
    highest = alarm_odds(found, rate)[: TAIL + 1]
    if len(highest) < FEWEST_ALARMS:
        return 0.5
    return float(expit(tail(highest, rate * found.hours)))
