"""How good a keyword detector is: recordings -> misses and false alarms, by the deployed code."""

from __future__ import annotations

from sweepnet_service.detectors.keyword.evaluate.heard import (
    Decider,
    Heard,
    alarms,
    events,
    found,
    hear,
    hear_samples,
    hours,
)
from sweepnet_service.detectors.keyword.evaluate.intervals import (
    Estimate,
    mean_over_groups,
    paired_difference,
    poisson_rate,
)
from sweepnet_service.detectors.keyword.evaluate.report import (
    Measured,
    Report,
    evaluate,
    measured_on,
    part_of,
    report_on,
)

__all__ = [
    "Decider",
    "Estimate",
    "Heard",
    "Measured",
    "Report",
    "alarms",
    "evaluate",
    "events",
    "found",
    "hear",
    "hear_samples",
    "hours",
    "mean_over_groups",
    "measured_on",
    "paired_difference",
    "part_of",
    "poisson_rate",
    "report_on",
]
