"""Several detectors trained alike from different seeds: mean and spread of their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweepnet_service.detectors.keyword.evaluate.figures import Figures


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation (n - 1) and range of a figure; `share` if it is one of clips."""

    mean: float
    deviation: float
    low: float
    high: float
    share: bool


def spreads(runs: Sequence[Figures]) -> Mapping[str, Spread]:
    """Of the misses in each condition and of the false alarms an hour, where all runs tell them."""
    names = [each.name for each in runs[0].conditions if each.misses]
    found = {
        f"missed, {name}": spread(
            [each.miss_rate.value for run in runs for each in run.conditions if each.name == name],
            share=True,
        )
        for name in names
    }
    rates = [run.speech.rate.value for run in runs if run.speech.rate is not None]
    if len(rates) == len(runs):
        found["false alarms an hour of speech"] = spread(rates, share=False)
    return found


def spread(values: Sequence[float], share: bool) -> Spread:
    """The spread of one value or more."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Spread(float(np.mean(values)), deviation, min(values), max(values), share)
