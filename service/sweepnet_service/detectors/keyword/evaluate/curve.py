"""Thresholds and the false alarms they bring: counted by the deployed decision, at the scores
where a count can change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.special import expit, logit

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.heard import Decider, Heard, hours
from sweepnet_service.errors import InvalidInput

HIGHEST_RATE = 20.0
"""False alarms an hour up to which curves go."""
SMALLEST = 1e-7


class Alarms:
    """How many false alarms one detector tells on speech without the word, at any threshold."""

    def __init__(self, detector: KeywordDetector, label: str, speech: Sequence[Heard]) -> None:
        self._detector, self._label = detector, label
        self._loudest = sorted(speech, key=highest, reverse=True)
        self._highest = -np.array([highest(each) for each in self._loudest])
        self._counts: dict[float, int] = {}
        self.hours = hours(speech)

    def count(self, threshold: float) -> int:
        """False alarms at a threshold above 0."""
        if threshold not in self._counts:
            above = int(np.searchsorted(self._highest, -threshold, side="right"))
            decider = Decider(self._detector, self._label, threshold)
            self._counts[threshold] = decider.alarms(self._loudest[:above])
        return self._counts[threshold]

    @cached_property
    def candidates(self) -> Array:
        """The scores at which alarms can begin, highest first: peaks as far apart as events are."""
        apart = round(self._detector.decision.refractory_s / self._detector.hop_s)
        peaks = [separate_peaks(each.scores, apart) for each in self._loudest]
        scores = np.unique(np.concatenate([*peaks, np.empty(0)]))[::-1]
        return scores[scores > 0][: int(2 * HIGHEST_RATE * self.hours) + 1]


def highest(heard: Heard) -> float:
    return float(np.max(heard.scores, initial=0))


def separate_peaks(scores: Array, apart: int) -> Array:
    """The scores that none within `apart` windows exceeds."""
    if not len(scores):
        return np.empty(0)
    top = scores == maximum_filter1d(scores, 2 * apart + 1, mode="nearest")
    return np.asarray(scores[top], np.float64)


def lowest_threshold(alarms: Alarms, rate: float) -> float:
    """The lowest threshold at which this very speech tells no more than `rate` false alarms an
    hour; on speech to come it tells more.
    """
    allowed = rate * alarms.hours
    too_many = (score for score in alarms.candidates.tolist() if alarms.count(score) > allowed)
    return float(np.nextafter(next(too_many, 0.0), 1))


def threshold_at(alarms: Iterable[Alarms], rate: float) -> float:
    """The threshold at which these tell `rate` false alarms an hour together.

    At the k-th highest alarm's score a further hour is expected to bring k / hours; between two
    alarms the log odds are interpolated. Raises InvalidInput for a rate of which the speech does
    not show one alarm.
    """
    parts = list(alarms)
    of_hours = sum(part.hours for part in parts)
    if not rate * of_hours >= 1:
        raise InvalidInput(
            "rate",
            f"got {rate:g} false alarms an hour; {of_hours:.2f} h of speech can only tell "
            f"{1 / max(of_hours, 1e-9):.2f} or more",
        )
    thresholds, counts = counted(parts, rate * of_hours)
    if not len(thresholds):
        raise InvalidInput("speech", "no window of it scores above 0; expected a detector's scores")
    odds = logit(np.clip(thresholds, SMALLEST, 1 - SMALLEST))
    return float(expit(np.interp(rate * of_hours, counts, odds)))


def counted(parts: Sequence[Alarms], wanted: float) -> tuple[Array, Array]:
    """Thresholds, falling, at which the count of alarms grows, and the counts; until `wanted`."""
    candidates = np.unique(np.concatenate([part.candidates for part in parts]))[::-1]
    thresholds: list[float] = []
    counts: list[int] = []
    for threshold in candidates.tolist():
        count = sum(part.count(threshold) for part in parts)
        if count > (counts[-1] if counts else 0):
            thresholds.append(threshold)
            counts.append(count)
        if count >= wanted:
            break
    return np.array(thresholds), np.array(counts, np.float64)
