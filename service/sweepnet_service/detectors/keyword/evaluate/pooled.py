"""Speaker folds pooled: each detector at a threshold chosen without the speakers it is measured on.

A fold's threshold comes from the other folds' speech, as their own detectors scored it, so that
neither its misses nor its false alarms had a say in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sweepnet_service.detectors.keyword.evaluate.counting import figures_at
from sweepnet_service.detectors.keyword.evaluate.curve import HIGHEST_RATE, Alarms, threshold_at
from sweepnet_service.detectors.keyword.evaluate.figures import Figures, FoldHeard
from sweepnet_service.errors import InvalidInput

POINTS = 40


@dataclass(frozen=True)
class Pooled:
    """The folds of one label; false alarms are counted once for all rates that are asked for."""

    label: str
    folds: Sequence[FoldHeard]

    def __post_init__(self) -> None:
        if len(self.folds) < 2:
            raise InvalidInput("folds", f"got {len(self.folds)}; expected two or more")

    @cached_property
    def alarms(self) -> list[Alarms]:
        return [Alarms(fold.detector, self.label, fold.speech) for fold in self.folds]

    def figures(self, rate: float, points: int = POINTS) -> Figures:
        """See `pooled`."""
        lowest = max(1 / max(hours, 1e-9) for hours in hours_of_others(self.alarms))
        rates = np.geomspace(min(lowest, HIGHEST_RATE), HIGHEST_RATE, points) * (1 + 1e-9)
        return figures_at(
            self.label,
            self.folds,
            thresholds_of(self.alarms, rate),
            sweep=[thresholds_of(self.alarms, each) for each in rates.tolist()],
            asked_rate=rate,
        )


def pooled(label: str, folds: Sequence[FoldHeard], rate: float, points: int = POINTS) -> Figures:
    """The figures of all folds, thresholds chosen for `rate` false alarms an hour of speech.

    Misses are the mean over the detectors, false alarms the sum over all speech; the curve has so
    many points, 0 for none. Raises InvalidInput for fewer than two folds, or where the speech is
    too short to tell the rate.
    """
    return Pooled(label, folds).figures(rate, points)


def thresholds_of(alarms: Sequence[Alarms], rate: float) -> tuple[float, ...]:
    """The threshold of each fold, from the other folds' false alarms alone."""
    others = ([*alarms[:fold], *alarms[fold + 1 :]] for fold in range(len(alarms)))
    return tuple(threshold_at(parts, rate) for parts in others)


def hours_of_others(alarms: Sequence[Alarms]) -> list[float]:
    """For each fold the hours of speech that the others hold."""
    total = sum(part.hours for part in alarms)
    return [total - part.hours for part in alarms]
