"""How good a keyword detector is: recordings -> misses and false alarms, by the deployed code."""

from __future__ import annotations

from sweepnet_service.detectors.keyword.evaluate.counting import figures_at
from sweepnet_service.detectors.keyword.evaluate.curve import Alarms, threshold_at
from sweepnet_service.detectors.keyword.evaluate.figures import (
    Alarm,
    Condition,
    Figures,
    FoldHeard,
    Kind,
    Missed,
    Point,
    Share,
)
from sweepnet_service.detectors.keyword.evaluate.groups import group_of
from sweepnet_service.detectors.keyword.evaluate.heard import (
    Decider,
    Heard,
    alarms,
    events,
    found,
    hear,
    hear_samples,
    hours,
    streamed,
    word_score,
)
from sweepnet_service.detectors.keyword.evaluate.intervals import (
    Estimate,
    mean_over_groups,
    paired_difference,
    poisson_rate,
)
from sweepnet_service.detectors.keyword.evaluate.pooled import pooled
from sweepnet_service.detectors.keyword.evaluate.report import (
    CardFigures,
    Measured,
    measured_in,
    measured_on,
    part_of,
)

__all__ = [
    "Alarm",
    "Alarms",
    "CardFigures",
    "Condition",
    "Decider",
    "Estimate",
    "Figures",
    "FoldHeard",
    "Heard",
    "Kind",
    "Measured",
    "Missed",
    "Point",
    "Share",
    "alarms",
    "events",
    "figures_at",
    "found",
    "group_of",
    "hear",
    "hear_samples",
    "hours",
    "mean_over_groups",
    "measured_in",
    "measured_on",
    "paired_difference",
    "part_of",
    "poisson_rate",
    "pooled",
    "streamed",
    "threshold_at",
    "word_score",
]
