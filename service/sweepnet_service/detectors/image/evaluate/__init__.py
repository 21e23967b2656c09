"""How good an image detector is: labelled pictures -> figures, by the deployed code."""

from .measure import Measured, Part, Report, choose_thresholds, evaluate, measure, report_on

__all__ = [
    "Measured",
    "Part",
    "Report",
    "choose_thresholds",
    "evaluate",
    "measure",
    "report_on",
]
