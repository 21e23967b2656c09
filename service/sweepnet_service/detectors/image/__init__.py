"""The image detector: finds objects of one kind in photos."""

from .detector import ImageDetector
from .results import Box, Detections, DetectOptions, OperatingPoint, PictureScoreMap

__all__ = [
    "Box",
    "DetectOptions",
    "Detections",
    "ImageDetector",
    "OperatingPoint",
    "PictureScoreMap",
]
