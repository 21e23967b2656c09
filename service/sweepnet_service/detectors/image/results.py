"""What the image detector is asked and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cnn_core.arrays import Array

from .boxes import corners
from .explanation import PictureExplanation


@dataclass(frozen=True)
class DetectOptions:
    """How to decide; `thresholds` by label, others as the model says. With `tile` a picture is
    looked at as finely as its own pixels too, which finds small objects in large pictures."""

    thresholds: Mapping[str, float] = field(default_factory=dict)
    overlap_iou: float = 0.5
    max_boxes: int = 100
    score_map: bool = False
    explanations: bool = False
    tile: bool = False


@dataclass(frozen=True)
class KeyPoint:
    """A named place of an object, in pixels of the picture."""

    name: str
    x_px: float
    y_px: float


@dataclass(frozen=True)
class Box:
    """One object found, in the pixels of the picture after its EXIF turn; origin top left.

    `turned_px`: the four corners of a turned box, which the edges just hold; of an upright one
    there are none. `points`: its key points, which may lie outside.
    """

    label: str
    score: float
    x_min_px: float
    y_min_px: float
    x_max_px: float
    y_max_px: float
    turned_px: tuple[tuple[float, float], ...] = ()
    points: tuple[KeyPoint, ...] = ()

    @property
    def corners_px(self) -> tuple[tuple[float, float], ...]:
        """The four (x, y), clockwise from the top left."""
        return self.turned_px or corners(
            (self.x_min_px, self.y_min_px, self.x_max_px, self.y_max_px)
        )


@dataclass(frozen=True, eq=False)
class PictureScoreMap:
    """Scores (rows, columns, labels) of the positions swept, as (y, x) in picture pixels:
    centre of the first position and the way to the next."""

    scores: Array
    step_px: tuple[float, float]
    start_px: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes, best first, and for each label the score that it is anywhere in the picture."""

    width_px: int
    height_px: int
    scores: dict[str, float]
    boxes: tuple[Box, ...]
    score_map: PictureScoreMap | None = None
    explanations: tuple[PictureExplanation, ...] = ()


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold costs and brings, as measured on pictures kept aside."""

    threshold: float
    false_boxes_per_picture: float
    miss_rate: float
