"""The keyword detector: finds spoken words in audio of any format, live or recorded."""

from sweepnet_service.detectors.keyword.audio import AudioLimits, AudioReader, open_audio
from sweepnet_service.detectors.keyword.batch import SpotBatch
from sweepnet_service.detectors.keyword.detector import (
    KeywordDetector,
    OperatingPoint,
    Placement,
)
from sweepnet_service.detectors.keyword.explanation import SpotExplanation
from sweepnet_service.detectors.keyword.session import SpotOptions, SpotSession
from sweepnet_service.detectors.keyword.updates import (
    Aggregate,
    KeywordEvent,
    SpotUpdate,
    WindowScore,
)

__all__ = [
    "Aggregate",
    "AudioLimits",
    "AudioReader",
    "KeywordDetector",
    "KeywordEvent",
    "OperatingPoint",
    "Placement",
    "SpotBatch",
    "SpotExplanation",
    "SpotOptions",
    "SpotSession",
    "SpotUpdate",
    "WindowScore",
    "open_audio",
]
