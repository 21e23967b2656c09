"""How good an image detector is: labelled pictures -> figures, by the deployed code."""

from .measure import choose_thresholds, evaluate, measure, report_on
from .outcomes import Measured, outcomes
from .report import Part, Report

__all__ = [
    "Measured",
    "Part",
    "Report",
    "choose_thresholds",
    "evaluate",
    "measure",
    "outcomes",
    "report_on",
]
