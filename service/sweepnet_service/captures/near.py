"""Which scores are near a threshold, counted in log odds: thresholds may lie near 0 or 1."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log

SMALLEST = 1e-9


def log_odds(score: float) -> float:
    """log(p / (1 - p)), finite for 0 and 1 too."""
    p = min(max(score, SMALLEST), 1 - SMALLEST)
    return log(p / (1 - p))


def distance(score: float, threshold: float) -> float:
    """How far a score lies from its threshold, above or below."""
    return abs(log_odds(score) - log_odds(threshold))


def is_near(score: float, threshold: float, margin: float) -> bool:
    """Whether a score lies at most `margin` from its threshold."""
    return distance(score, threshold) <= margin


def lowered(thresholds: Mapping[str, float], margin: float) -> dict[str, float]:
    """Thresholds `margin` below these: what comes of them holds all that is near."""
    return {
        label: min(value, _expit(log_odds(value) - margin)) for label, value in thresholds.items()
    }


def _expit(odds: float) -> float:
    return 1 / (1 + exp(-odds))
