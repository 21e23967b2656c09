"""The image detector: finds objects of one kind in photos."""

from .detector import ImageDetector
from .explanation import PictureExplanation
from .results import Box, Detections, DetectOptions, OperatingPoint, PictureScoreMap

__all__ = [
    "Box",
    "DetectOptions",
    "Detections",
    "ImageDetector",
    "OperatingPoint",
    "PictureExplanation",
    "PictureScoreMap",
]
