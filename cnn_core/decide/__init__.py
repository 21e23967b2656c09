"""From scores to decisions: peaks in time, live and offline by one code; boxes without doubles."""

from __future__ import annotations

from cnn_core.decide.boxes import box_iou, non_maximum_suppression, soft_suppression
from cnn_core.decide.fusion import agreeing
from cnn_core.decide.peaks import EachLabel, Hysteresis, HysteresisState, Peak

__all__ = [
    "EachLabel",
    "Hysteresis",
    "HysteresisState",
    "Peak",
    "agreeing",
    "box_iou",
    "non_maximum_suppression",
    "soft_suppression",
]
