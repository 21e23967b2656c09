"""One look at a picture: the network over all of it at one size, whole or in tiles."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from cnn_core.arrays import Array, Integers
from cnn_core.decide.polygons import hulls
from cnn_core.layers import Layer
from cnn_core.scan import scan
from cnn_core.tiles import tiling

from .annotations import clockwise
from .boxes import STRIDE_PX, Letterbox, boxes_of, points_in
from .found import FAINT, Found, apart
from .inputs import GREY, normalise
from .layout import PLAIN, PRESENCE, TURNED, Layout
from .mirror import Mirror
from .pixels import Picture, Pixels, letterboxed
from .presence import gathered
from .results import DetectOptions, PictureScoreMap
from .voting import best_mean, voted

TILE_PX = 1024
"""Larger frames are swept in tiles of about this side: their scores are those of the whole."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Scores (H, W, labels), box (H, W, 4) and points (H, W, P, 2), in network input pixels, of
    every position of a picture; `presence` (labels,): whether each label is anywhere on it.

    `voters`: how many positions at most tell an object's score together (see `voting`)."""

    letterbox: Letterbox
    layout: Layout
    scores: Array
    input_boxes: Array
    input_points: Array
    presence: Array
    voters: int = 1

    @classmethod
    def of(cls, answers: Array, letterbox: Letterbox, layout: Layout, voters: int = 1) -> Sweep:
        """What the network's answers (H, W, channels) mean."""
        logits = answers[..., layout.scores]
        scores = expit(logits)
        at = _on_picture(letterbox)
        whole = (
            expit(gathered(logits[at].reshape(-1, layout.labels)))
            if layout.shape == PRESENCE
            else best_mean(scores[at].reshape(-1, layout.labels), voters)
        )
        points = answers[..., layout.places].reshape(*answers.shape[:2], layout.points, 2)
        if layout.shape == PRESENCE:
            boxes = np.zeros((*answers.shape[:2], 4), np.float32)
        else:
            boxes = boxes_of(answers[..., layout.sides])
            points = points_in(points, boxes)
        return cls(letterbox, layout, scores, boxes, points, whole, voters)

    @property
    def highest(self) -> Integers:
        """Row and column of the largest score of any label on the picture."""
        rows, columns = _on_picture(self.letterbox)
        on_picture = self.scores[rows, columns].max(axis=-1)
        place = np.unravel_index(int(on_picture.argmax()), on_picture.shape)
        return np.array([place[0] + rows.start, place[1] + columns.start])

    def found(
        self, thresholds: Array | float, options: DetectOptions, longest_px: float = np.inf
    ) -> Found:
        """Objects at or above the threshold of each label, best first; of one label none overlaps
        a better one too much.

        Only positions on the picture are asked, and each box covers some of the picture. Boxes
        with a side of more than `longest_px` input pixels are left to a coarser look.
        """
        if self.layout.shape == PRESENCE:
            return Found.nothing()
        turned = self.layout.shape == TURNED
        if self.voters == 1:
            return apart(self._telling(thresholds, longest_px), options, turned)
        least = np.broadcast_to(thresholds, self.layout.labels)
        every = self._telling(FAINT, longest_px)
        able = every[every.scores >= least[every.labels]]
        best = apart(able, replace(options, max_boxes=sys.maxsize), turned)
        told = voted(best, every, self.voters, options.overlap_iou, self.letterbox, turned)
        return apart(told[told.scores >= least[told.labels]], options, turned)

    def _telling(self, thresholds: Array | float, longest_px: float) -> Found:
        """Every position on the picture that scores enough, with its own box."""
        rows, columns = _on_picture(self.letterbox)
        places = np.argwhere(self.scores[rows, columns] >= thresholds)
        cells, labels = places[:, :2] + np.array([rows.start, columns.start]), places[:, 2]
        at = tuple(cells.T)
        inputs = self.input_boxes[at]
        boxes, points = self._placed(inputs, self.input_points[at])
        sides = (inputs[:, 2:] - inputs[:, :2]).max(axis=1, initial=0)
        covers = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & (sides <= longest_px)
        return Found(cells, self.scores[(*at, labels)], boxes, labels, points)[covers]

    def _placed(self, boxes: Array, points: Array) -> tuple[Array, Array]:
        """Boxes and points in the picture; an upright box just holds the turned one."""
        there = self.letterbox.points_to_picture(points)
        if self.layout.shape != TURNED or not len(boxes):
            return self.letterbox.to_picture(boxes), there
        return self.letterbox.clipped(hulls(there)), clockwise(there)

    def picture_map(self) -> PictureScoreMap:
        """The positions on the picture, placed in its pixels."""
        rows, columns = _on_picture(self.letterbox)
        sx, sy = self.letterbox.scale
        x0, y0 = self.letterbox.inner[:2]
        return PictureScoreMap(
            scores=np.ascontiguousarray(self.scores[rows, columns]),
            step_px=(STRIDE_PX / sy, STRIDE_PX / sx),
            start_px=(_centre(rows.start, y0, sy), _centre(columns.start, x0, sx)),
        )


def swept(
    net: Layer,
    picture: Picture,
    size_px: int,
    layout: Layout = PLAIN,
    mirror: Mirror | None = None,
    voters: int = 1,
) -> Sweep:
    """The network over the picture letterboxed to a square of `size_px`; with a `mirror` its
    answers are the mean of those for the square and for its mirror image."""
    box = Letterbox.of(picture.width_px, picture.height_px, size_px)
    frame = letterboxed(picture, box, GREY)
    answers = _answers(net, frame, box, layout)
    if mirror is not None:
        answers = mirror.mean(answers, _answers(net, frame[:, ::-1], box.mirrored, layout))
    return Sweep.of(answers, box, layout, voters)


def _answers(net: Layer, frame: Pixels, box: Letterbox, layout: Layout) -> Array:
    if box.size > TILE_PX:
        return _tiled(net, frame, box, layout)
    return np.asarray(scan(net, normalise(frame)[None]).scores[0])


def _tiled(net: Layer, frame: Pixels, box: Letterbox, layout: Layout) -> Array:
    """The answers of the whole frame, tile by tile; tiles of grey alone are not looked at."""
    rows, columns, depth = net.output_shape((1, *frame.shape))[1:]
    answers = np.full((rows, columns, depth), -np.inf, np.float32)
    answers[..., layout.labels :] = 0
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


def _on_picture(letterbox: Letterbox) -> tuple[slice, slice]:
    """Rows and columns whose centres lie on the picture; at least one of each."""
    x0, y0, x1, y1 = letterbox.inner
    return _cells(y0, y1), _cells(x0, x1)


def _cells(start: int, end: int) -> slice:
    half = STRIDE_PX // 2
    first = -(-(start - half) // STRIDE_PX)
    past = -(-(end - half) // STRIDE_PX)
    if past <= first:
        first = (start + end) // 2 // STRIDE_PX
    return slice(first, max(past, first + 1))


def _centre(cell: int, border: int, scale: float) -> float:
    return ((cell + 0.5) * STRIDE_PX - border) / scale
