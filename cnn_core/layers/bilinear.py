"""Bilinear upsampling: outputs between inputs are their mean, weighted by nearness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import floor
from typing import Any

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import StreamError
from cnn_core.geometry import Window, Windows
from cnn_core.layers.layer import Layer, Pull, Tails
from cnn_core.layers.upsample import Enlargement


@dataclass(frozen=True, eq=False)
class UpsampleBilinear(Enlargement):
    """Linear interpolation along each axis: (N, *in, C) -> (N, *(in * factor), C).

    Places are the middles of pixels: output o lies at input (o + 1/2) / factor - 1/2, and beyond
    the first and last input their values go on. So do PyTorch (align_corners=False) and OpenCV.
    On one axis it is linear, on three trilinear.
    """

    @property
    def windows(self) -> Windows:
        # Output o lies at c, half-way into its window [c - 1 + 1/2f, c + 2 - 1/2f): the one or two
        # whole numbers less than 1 away from c.
        return tuple(
            Window(3 - Fraction(1, f), Fraction(1, f), Fraction(1, f) - Fraction(3, 2))
            if f > 1
            else Window()
            for f in self.factor
        )

    def tails(self, short: int, channels: int, dtype: np.dtype[Any]) -> Tails:
        raise StreamError(
            f"{self}: its last outputs depend on where the signal ends, which a stream does not "
            "know; use Upsample or UpsampleZeros"
        )

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        self._check(x)
        # From the last axis on, while there is little: rows are long, and quick, columns are not.
        axes = [(axis, factor) for axis, factor in enumerate(self.factor) if factor > 1]
        y = np.empty(self.output_shape(x.shape), x.dtype)
        for sample, into in zip(x, y, strict=True):
            into[...] = reduce(_enlarged, reversed(axes), sample)

        def pull(dy: Array) -> tuple[Array, Layer]:
            dx = np.empty(x.shape, dy.dtype)
            for share, into in zip(dy, dx, strict=True):
                into[...] = reduce(_gathered, axes, share)
            return dx, self

        return y, pull


def _taps(factor: int, length: int) -> Iterator[tuple[slice, slice, slice, float]]:
    """For each place in a block: its outputs, the inputs before and after it (in an array with
    one more at each end), and how near the later one is."""
    for place in range(factor):
        position = Fraction(2 * place + 1 - factor, 2 * factor)
        before = 1 + floor(position)
        yield (
            slice(place, None, factor),
            slice(before, before + length),
            slice(before + 1, before + 1 + length),
            float(position - floor(position)),
        )


def _enlarged(x: Array, along: tuple[int, int]) -> Array:
    """One sample (*in, C) enlarged along one (axis, factor)."""
    axis, factor = along
    first, last = (np.take(x, [0], axis), np.take(x, [-1], axis)) if x.shape[axis] else (x, x)
    extended = np.concatenate((first, x, last), axis=axis)
    y = np.empty((*x.shape[:axis], x.shape[axis] * factor, *x.shape[axis + 1 :]), x.dtype)
    before = (slice(None),) * axis
    for outputs, earlier, later, nearness in _taps(factor, x.shape[axis]):
        part = y[(*before, outputs)]
        np.multiply(extended[(*before, earlier)], 1 - nearness, out=part)
        part += extended[(*before, later)] * nearness
    return y


def _gathered(dy: Array, along: tuple[int, int]) -> Array:
    """The transpose of `_enlarged`."""
    axis, factor = along
    length = dy.shape[axis] // factor
    extended = np.zeros((*dy.shape[:axis], length + 2, *dy.shape[axis + 1 :]), dy.dtype)
    before = (slice(None),) * axis
    for outputs, earlier, later, nearness in _taps(factor, length):
        part = dy[(*before, outputs)]
        extended[(*before, earlier)] += part * (1 - nearness)
        extended[(*before, later)] += part * nearness
    dx = extended[(*before, slice(1, -1))]
    if length:
        dx[(*before, slice(0, 1))] += extended[(*before, slice(0, 1))]
        dx[(*before, slice(-1, None))] += extended[(*before, slice(-1, None))]
    return dx
