"""The image detector: a picture in, boxes and a presence score out; immutable, thread-safe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from cnn_core import modelfile
from cnn_core.arrays import Array, Integers
from cnn_core.decide import non_maximum_suppression
from cnn_core.errors import CoreError
from cnn_core.layers import Layer
from cnn_core.scan import scan
from sweepnet_service.errors import InvalidInput, ModelUnreadable

from .boxes import LOG_SIDE_LIMIT, SIDE_UNIT_PX, STRIDE_PX, Letterbox, boxes_of
from .explanation import MOST_EXPLAINED, PictureExplanation, explained
from .inputs import GREY, PIXEL_MEAN, PIXEL_SCALE, normalise
from .losses import SCORE, SIDES
from .network import TOTAL_STRIDE_PX
from .pixels import DEFAULT_LIMITS, Picture, PictureLimits, letterboxed, read_picture
from .results import Box, Detections, DetectOptions, OperatingPoint, PictureScoreMap

KIND = "image"
PIXELS_VERSION = 1
# A JPEG decoded at a fraction of its size keeps twice the pixels that the network needs.
DRAFT_MARGIN = 2
LARGEST_INPUT_PX = 2048
DEFAULTS = DetectOptions()


@dataclass(frozen=True, eq=False)
class ImageDetector:
    """A network with everything that turns its answers into boxes in a picture's own pixels."""

    net: Layer
    labels: tuple[str, ...]
    size_px: int
    operating_points: dict[str, tuple[OperatingPoint, ...]]
    default_thresholds: dict[str, float]
    card: dict[str, Any]
    limits: PictureLimits = DEFAULT_LIMITS

    @classmethod
    def load(cls, path: Path) -> ImageDetector:
        """Read a model file; raises ModelUnreadable."""
        try:
            model = modelfile.load(path)
        except CoreError as error:
            raise ModelUnreadable(path.name, str(error)) from error
        return cls(net=model.net, **_described(model.description, path.name))

    def save(self, path: Path) -> None:
        """Write the model file that `load` reads; it appears whole or not at all."""
        description = {
            "kind": KIND,
            "labels": self.labels,
            "input": input_settings(self.size_px),
            "default_thresholds": self.default_thresholds,
            "operating_points": {
                label: [vars(point) for point in points]
                for label, points in self.operating_points.items()
            },
            "card": self.card,
        }
        modelfile.save(path, self.net, description)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """One picture as the network takes it: (1, rows, columns, colours)."""
        return (1, self.size_px, self.size_px, 3)

    def detect(
        self, picture: bytes | Path | Picture, options: DetectOptions = DEFAULTS
    ) -> Detections:
        """Boxes and scores of a picture file, given as its bytes or its path, or of pixels.

        Raises InvalidInput, NotFound or LimitExceeded.
        """
        thresholds = self._thresholds(options)
        decoded = (
            picture
            if isinstance(picture, Picture)
            else read_picture(picture, self.limits, enough_px=DRAFT_MARGIN * self.size_px)
        )
        swept, label = self.sweep(decoded), self.labels[0]
        found = swept.found(thresholds[label], options)
        return Detections(
            width_px=decoded.width_px,
            height_px=decoded.height_px,
            scores=dict.fromkeys(self.labels, swept.presence),
            boxes=found.named(label),
            score_map=swept.picture_map() if options.score_map else None,
            explanations=self._explained(decoded, swept, found) if options.explanations else (),
        )

    def _explained(
        self, picture: Picture, swept: Sweep, found: Found
    ) -> tuple[PictureExplanation, ...]:
        """Why the best boxes were told; of a picture without one, its highest place."""
        cells = found.cells[:MOST_EXPLAINED] if len(found.cells) else swept.highest[None]
        inputs = normalise(letterboxed(picture, swept.letterbox, GREY))
        places = [(int(row), int(column)) for row, column in cells]
        return tuple(
            explained(
                self.net, inputs, swept.letterbox, self.labels[0], at, float(swept.scores[at])
            )
            for at in places
        )

    def sweep(self, picture: Picture) -> Sweep:
        """The network over the letterboxed picture: every position's score and box."""
        box = Letterbox.of(picture.width_px, picture.height_px, self.size_px)
        inputs = normalise(letterboxed(picture, box, GREY))
        answers = scan(self.net, inputs[None]).scores[0]
        return Sweep(box, expit(answers[..., SCORE]), boxes_of(answers[..., SIDES]))

    def _thresholds(self, options: DetectOptions) -> dict[str, float]:
        unknown = sorted(set(options.thresholds) - set(self.labels))
        if unknown:
            raise InvalidInput(
                "thresholds", f"got label {unknown[0]!r}; expected one of {list(self.labels)}"
            )
        chosen = {**self.default_thresholds, **options.thresholds}
        for name, value in (*chosen.items(), ("overlap_iou", options.overlap_iou)):
            if not 0 <= value <= 1:
                raise InvalidInput(name, f"got {value}; expected a number from 0 to 1")
        if options.max_boxes < 1:
            raise InvalidInput("max_boxes", f"got {options.max_boxes}; expected at least 1")
        return chosen


@dataclass(frozen=True, eq=False)
class Sweep:
    """Score (H, W) and box (H, W, 4, network input pixels) of every position of a picture."""

    letterbox: Letterbox
    scores: Array
    input_boxes: Array

    @property
    def presence(self) -> float:
        """The largest score of the positions that lie on the picture."""
        rows, columns = self._on_picture()
        return float(self.scores[rows, columns].max())

    @property
    def highest(self) -> Integers:
        """Row and column of that score."""
        rows, columns = self._on_picture()
        on_picture = self.scores[rows, columns]
        place = np.unravel_index(int(on_picture.argmax()), on_picture.shape)
        return np.array([place[0] + rows.start, place[1] + columns.start])

    def found(self, threshold: float, options: DetectOptions) -> Found:
        """Boxes at or above the threshold, best first, none overlapping a better one too much.

        Only positions on the picture are asked, and each box covers some of the picture.
        """
        rows, columns = self._on_picture()
        cells = np.argwhere(self.scores[rows, columns] >= threshold)
        cells += np.array([rows.start, columns.start])
        at = tuple(cells.T)
        scores, boxes = self.scores[at], self.letterbox.to_picture(self.input_boxes[at])
        covers = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        scores, boxes, cells = scores[covers], boxes[covers], cells[covers]
        kept = non_maximum_suppression(boxes, scores, options.overlap_iou, options.max_boxes)
        return Found(cells[kept], scores[kept], boxes[kept])

    def picture_map(self) -> PictureScoreMap:
        """The positions on the picture, placed in its pixels."""
        rows, columns = self._on_picture()
        sx, sy = self.letterbox.scale
        x0, y0 = self.letterbox.inner[:2]
        return PictureScoreMap(
            scores=np.ascontiguousarray(self.scores[rows, columns, None]),
            step_px=(STRIDE_PX / sy, STRIDE_PX / sx),
            start_px=(_centre(rows.start, y0, sy), _centre(columns.start, x0, sx)),
        )

    def _on_picture(self) -> tuple[slice, slice]:
        """Rows and columns whose centres lie on the picture; at least one of each."""
        x0, y0, x1, y1 = self.letterbox.inner
        return _cells(y0, y1), _cells(x0, x1)


@dataclass(frozen=True, eq=False)
class Found:
    """Cells (n, 2) of the map, their scores (n,) and boxes (n, 4) in the picture, best first."""

    cells: Integers
    scores: Array
    boxes: Array

    def named(self, label: str) -> tuple[Box, ...]:
        """The boxes as they are told."""
        found = zip(self.scores.tolist(), self.boxes.tolist(), strict=True)
        return tuple(Box(label, score, *box) for score, box in found)


def _cells(start: int, end: int) -> slice:
    half = STRIDE_PX // 2
    first = -(-(start - half) // STRIDE_PX)
    past = -(-(end - half) // STRIDE_PX)
    if past <= first:
        first = (start + end) // 2 // STRIDE_PX
    return slice(first, max(past, first + 1))


def _centre(cell: int, border: int, scale: float) -> float:
    return ((cell + 0.5) * STRIDE_PX - border) / scale


def input_settings(size_px: int) -> dict[str, Any]:
    """What a model file says about its pixels and boxes; `load` refuses others."""
    return {
        "size_px": size_px,
        "pixels_version": PIXELS_VERSION,
        "mean": PIXEL_MEAN,
        "scale": PIXEL_SCALE,
        "border": GREY,
        "stride_px": STRIDE_PX,
        "side_unit_px": SIDE_UNIT_PX,
        "log_side_limit": LOG_SIDE_LIMIT,
    }


def _described(description: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of a detector from a file's description, checked."""
    try:
        size = int(description["input"]["size_px"])
        labels = tuple(map(str, description["labels"]))
        points = {
            str(label): tuple(OperatingPoint(**point) for point in points)
            for label, points in description["operating_points"].items()
        }
        thresholds = {str(k): float(v) for k, v in description["default_thresholds"].items()}
        kind, settings, card = description["kind"], description["input"], description["card"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelUnreadable(where, f"its description lacks something: {error!r}") from error
    if kind != KIND or len(labels) != 1 or set(thresholds) != set(labels):
        raise ModelUnreadable(where, f"got kind {kind!r}, labels {labels}; expected one label")
    if settings != input_settings(size):
        raise ModelUnreadable(where, f"got pixels {settings}; expected {input_settings(size)}")
    if not 0 < size <= LARGEST_INPUT_PX or size % TOTAL_STRIDE_PX:
        raise ModelUnreadable(
            where, f"got input {size} px; expected a multiple of {TOTAL_STRIDE_PX}"
        )
    return {
        "labels": labels,
        "size_px": size,
        "operating_points": points,
        "default_thresholds": thresholds,
        "card": dict(card),
    }
