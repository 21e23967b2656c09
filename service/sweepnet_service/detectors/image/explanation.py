"""What a score of a picture was made from: the part that it could see, and what mattered there.

The gradient of the score by the network's input pixels, gathered into small cells, is laid over
the picture; nine tenths of its energy along each axis give the effective receptive field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnn_core.arrays import Array
from cnn_core.explain import gradient_map, shortest
from cnn_core.layers import Layer

from .boxes import STRIDE_PX, Letterbox

CELL_PX = 4
SHARE = 0.9
MOST_EXPLAINED = 4
"""Boxes of a picture: each costs about three times the picture itself."""

Edges = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture."""


@dataclass(frozen=True, eq=False)
class PictureExplanation:
    """One place's score and what it looked at, in pixels of the original picture.

    `field_px` is its receptive field, `effective_px` where it mainly looks: of rows and of columns
    the shortest piece with nine tenths of the squared gradient. `relevance` (rows, columns) in
    0..1 is how strongly the score hangs on each cell, the centre of the first at `start_px` and
    `step_px` apart, both (y, x).
    """

    label: str
    score: float
    field_px: Edges
    effective_px: Edges
    relevance: Array
    step_px: tuple[float, float]
    start_px: tuple[float, float]


def explained(
    net: Layer,
    inputs: Array,
    letterbox: Letterbox,
    label: tuple[int, str],
    cell: tuple[int, int],
    score: float,
    mirrored: bool = False,
) -> PictureExplanation:
    """The explanation of a label's score (number and name) at a cell (row, column) of the map,
    which is that of the frame or, `mirrored`, the mean of it and of its mirror image."""
    channel, name = label
    slopes, seen = (_in_both if mirrored else _looked_at)(net, inputs, channel, cell)
    energy = on_picture(np.square(slopes, dtype=np.float64).sum(axis=-1), letterbox)
    y0, y1 = shortest(energy.sum(axis=1), SHARE)
    x0, x1 = shortest(energy.sum(axis=0), SHARE)
    edges = letterbox.to_picture(np.array([seen, [x0, y0, x1, y1]], float))
    field, effective = (tuple(map(float, row)) for row in edges)
    relevance, first = gathered(energy, letterbox)
    sx, sy = letterbox.scale
    in_x, in_y = letterbox.inner[:2]
    return PictureExplanation(
        label=name,
        score=score,
        field_px=(field[0], field[1], field[2], field[3]),
        effective_px=(effective[0], effective[1], effective[2], effective[3]),
        relevance=relevance,
        step_px=(CELL_PX / sy, CELL_PX / sx),
        start_px=(
            ((first[0] + 0.5) * CELL_PX - in_y) / sy,
            ((first[1] + 0.5) * CELL_PX - in_x) / sx,
        ),
    )


def _looked_at(
    net: Layer, inputs: Array, channel: int, cell: tuple[int, int]
) -> tuple[Array, Array]:
    """How each input moves the score, and its receptive field (left, top, right, bottom)."""
    (top, bottom), (left, right) = (w.span(i) for w, i in zip(net.windows, cell, strict=True))
    slopes = gradient_map(net, inputs[None], channel, cell)[0]
    return slopes, np.array([left, top, right, bottom], float)


def _in_both(net: Layer, inputs: Array, channel: int, cell: tuple[int, int]) -> tuple[Array, Array]:
    """The same of the mean of two scores, of the frame and of its mirror image."""
    slopes, field = _looked_at(net, inputs, channel, cell)
    width = inputs.shape[1]
    there = cell[0], width // STRIDE_PX - 1 - cell[1]
    others, (left, top, right, bottom) = _looked_at(net, inputs[:, ::-1], channel, there)
    both = np.stack((field, (width - right, top, width - left, bottom)))
    low, high = both[:, :2].min(axis=0), both[:, 2:].max(axis=0)
    return (slopes + others[:, ::-1]) / 2, np.concatenate((low, high))


def on_picture(energy: Array, letterbox: Letterbox) -> Array:
    """The energy with zeros where the input is the grey border round the picture."""
    x0, y0, x1, y1 = letterbox.inner
    inside = np.zeros_like(energy)
    inside[y0:y1, x0:x1] = energy[y0:y1, x0:x1]
    return inside


def gathered(energy: Array, letterbox: Letterbox) -> tuple[Array, tuple[int, int]]:
    """Root energy of the cells that touch the picture, at most 1, and the first of them."""
    rows, columns = (size // CELL_PX for size in energy.shape)
    cells = energy.reshape(rows, CELL_PX, columns, CELL_PX).sum(axis=(1, 3))
    x0, y0, x1, y1 = letterbox.inner
    first = y0 // CELL_PX, x0 // CELL_PX
    strength = np.sqrt(cells[first[0] : -(-y1 // CELL_PX), first[1] : -(-x1 // CELL_PX)])
    largest = float(strength.max(initial=0))
    return np.asarray(strength / (largest or 1.0), np.float32), first
