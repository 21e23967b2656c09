"""One look at a picture: the network over all of it at one size, whole or in tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cnn_core.arrays import Array, Integers
from cnn_core.decide import non_maximum_suppression
from cnn_core.layers import Layer
from cnn_core.scan import scan
from cnn_core.tiles import tiling

from .boxes import STRIDE_PX, Letterbox, boxes_of
from .inputs import GREY, normalise
from .losses import SCORE, SIDES
from .pixels import Picture, Pixels, letterboxed
from .results import Box, DetectOptions, PictureScoreMap

TILE_PX = 1024
"""Larger frames are swept in tiles of about this side: their scores are those of the whole."""


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

    def found(self, threshold: float, options: DetectOptions, longest_px: float = np.inf) -> Found:
        """Boxes at or above the threshold, best first, none overlapping a better one too much.

        Only positions on the picture are asked, and each box covers some of the picture. Boxes
        with a side of more than `longest_px` input pixels are left to a coarser look.
        """
        rows, columns = self._on_picture()
        cells = np.argwhere(self.scores[rows, columns] >= threshold)
        cells += np.array([rows.start, columns.start])
        at = tuple(cells.T)
        inputs = self.input_boxes[at]
        scores, boxes = self.scores[at], self.letterbox.to_picture(inputs)
        sides = (inputs[:, 2:] - inputs[:, :2]).max(axis=1, initial=0)
        covers = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (sides <= longest_px)
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


def swept(net: Layer, picture: Picture, size_px: int) -> Sweep:
    """The network over the picture letterboxed to a square of `size_px`."""
    box = Letterbox.of(picture.width_px, picture.height_px, size_px)
    frame = letterboxed(picture, box, GREY)
    answers = (
        scan(net, normalise(frame)[None]).scores[0]
        if size_px <= TILE_PX
        else _tiled(net, frame, box)
    )
    return Sweep(box, expit(answers[..., SCORE]), boxes_of(answers[..., SIDES]))


def _tiled(net: Layer, frame: Pixels, box: Letterbox) -> Array:
    """The answers of the whole frame, tile by tile; tiles of grey alone are not looked at."""
    rows, columns, depth = net.output_shape((1, *frame.shape))[1:]
    answers = np.full((rows, columns, depth), -np.inf, np.float32)
    answers[..., SIDES] = 0
    x0, y0, x1, y1 = box.inner
    for tile in tiling(net, frame.shape[:2], TILE_PX):
        high, wide = tile.outputs
        if _apart(high, y0, y1) or _apart(wide, x0, x1):
            continue
        scores = scan(net, normalise(frame[tile.inputs])[None]).scores[0]
        answers[tile.outputs] = scores[tile.inner]
    return answers


def _apart(cells: slice, start_px: int, end_px: int) -> bool:
    return bool(cells.stop * STRIDE_PX <= start_px or cells.start * STRIDE_PX >= end_px)


def _cells(start: int, end: int) -> slice:
    half = STRIDE_PX // 2
    first = -(-(start - half) // STRIDE_PX)
    past = -(-(end - half) // STRIDE_PX)
    if past <= first:
        first = (start + end) // 2 // STRIDE_PX
    return slice(first, max(past, first + 1))


def _centre(cell: int, border: int, scale: float) -> float:
    return ((cell + 0.5) * STRIDE_PX - border) / scale
