"""Reduce the blocks of a batch, place by place: pure functions of arrays, nothing is unfolded.

A batch is (N, *in, C). Of all blocks together the inputs at one place of the kernel are a strided
slice, so that a reduction is one vectorised operation a place. Where it can be done axis by axis
it takes the sum of the kernel's lengths, not their product. Padding is never written: a place
outside the input is left out of the slice. Work goes piece by piece, so that what is made on the
way stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.layers.patches import Padding, Sizes, cache_blocks

PIECE_BYTES = 2 * 1024 * 1024
"""What is worked on at a time: little enough for a cache, enough to be worth the calls."""

Index = tuple[slice, ...]
Meeting = tuple[slice, slice]
"""Outputs along an axis, and the inputs that they meet at one place of the kernel."""


def block_counts(lengths: Sizes, kernel: Sizes, stride: Sizes, padding: Padding) -> Sizes:
    """How many blocks fit along each axis; none where there is no input at all."""
    return tuple(
        max(0, (n + before + after - k) // s + 1) if n else 0
        for n, k, s, (before, after) in zip(lengths, kernel, stride, padding, strict=True)
    )


@dataclass(frozen=True)
class Meetings:
    """For each axis: how many outputs, how many inputs, and the meetings of the kernel's places.

    Blocks are `apart` if no input is in two of them.
    """

    counts: Sizes
    lengths: Sizes
    axes: tuple[tuple[Meeting, ...], ...]
    apart: bool

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, lengths: Sizes, kernel: Sizes, stride: Sizes, padding: Padding) -> Meetings:
        counts = block_counts(lengths, kernel, stride, padding)
        settings = zip(lengths, counts, kernel, stride, padding, strict=True)
        axes = (
            tuple(_meeting(n, count, s, place - before) for place in range(k))
            for n, count, k, s, (before, _) in settings
        )
        apart = all(k <= s for k, s in zip(kernel, stride, strict=True))
        return cls(counts, lengths, tuple(axes), apart)

    def pieces(self, x: Array) -> Iterator[tuple[slice, slice, Meetings]]:
        """Samples and rows of outputs that fit into the cache, with what meets in them."""
        share = max(1, prod(self.lengths) // max(1, prod(self.counts)))
        row_bytes = prod(self.counts[1:]) * (1 + share) * x.shape[-1] * x.itemsize
        if len(x) * self.counts[0] * row_bytes <= PIECE_BYTES:
            yield slice(None), slice(0, self.counts[0]), self
            return
        for samples, rows in cache_blocks((len(x), self.counts[0]), row_bytes, PIECE_BYTES):
            first, past = rows.start, rows.stop
            axes = (tuple(_within(each, first, past) for each in self.axes[0]), *self.axes[1:])
            inner = replace(self, counts=(past - first, *self.counts[1:]), axes=axes)
            yield samples, slice(first, past), inner

    def places(self, x: Array) -> Iterator[tuple[int, Index, Index]]:
        """The kernel's places by number, row-major, with the outputs and the inputs that meet
        there as indices of batches; piece by piece."""
        for samples, rows, inner in self.pieces(x):
            for number, place in enumerate(product(*inner.axes)):
                (first, *outputs), inputs = zip(*place, strict=True)
                row = slice(first.start + rows.start, first.stop + rows.start)
                yield number, (samples, row, *outputs), (samples, *inputs)


def _meeting(length: int, count: int, stride: int, shift: int) -> Meeting:
    """Outputs o whose input o * stride + shift exists, and those inputs."""
    first = max(0, -(shift // stride))
    past = min(count, (length - 1 - shift) // stride + 1)
    return _slices(first, past, stride, first * stride + shift)


def _within(meeting: Meeting, first: int, past: int) -> Meeting:
    """The meeting of the outputs first to past - 1, counted from the first."""
    outputs, inputs = meeting
    begin, end = max(first, outputs.start), min(past, outputs.stop)
    stride = inputs.step or 1
    shifted = inputs.start + (begin - outputs.start) * stride
    return _slices(begin - first, end - first, stride, shifted)


def _slices(first: int, past: int, stride: int, begin: int) -> Meeting:
    if first >= past:
        return slice(0, 0), slice(0, 0)
    return slice(first, past), slice(begin, begin + (past - first - 1) * stride + 1, stride)


def reduce_blocks(x: Array, met: Meetings, combine: np.ufunc, nothing: float) -> Array:
    """`combine` over every block, axis by axis: (N, *in, C) -> (N, *out, C).

    `nothing` changes no result: 0 for sums, minus infinity for maxima.
    """
    y = np.empty((len(x), *met.counts, x.shape[-1]), x.dtype)
    for samples, rows, inner in met.pieces(x):
        piece = x[samples]
        for axis, meeting in enumerate(inner.axes, start=1):
            shape = (*piece.shape[:axis], inner.counts[axis - 1], *piece.shape[axis + 1 :])
            last = axis == len(inner.axes)
            into = y[samples, rows] if last else np.empty(shape, x.dtype)
            _reduce_axis(piece, axis, meeting, combine, nothing, into)
            piece = into
    return y


def _reduce_axis(
    x: Array, axis: int, meeting: tuple[Meeting, ...], combine: np.ufunc, nothing: float, y: Array
) -> None:
    """Writes `combine` along one axis into `y`."""
    along = (slice(None),) * axis
    whole = slice(0, y.shape[axis])
    rest = list(meeting)
    if len(rest) > 1 and rest[0][0] == rest[1][0] == whole:
        (_, first), (_, second), *rest = rest
        combine(x[(*along, first)], x[(*along, second)], out=y)
    else:
        y.fill(nothing)
    for outputs, inputs in rest:
        part = y[(*along, outputs)]
        combine(part, x[(*along, inputs)], out=part)


def largest_places(x: Array, met: Meetings) -> tuple[Array, Integers]:
    """The maximum of every block and its place in the kernel, row-major: both (N, *out, C).

    Of equal inputs the first counts. No branches: a larger input brings a larger number of a place.
    """
    y = np.full((len(x), *met.counts, x.shape[-1]), -np.inf, x.dtype)
    place = np.zeros(y.shape, np.min_scalar_type(prod(map(len, met.axes))))
    for number, outputs, inputs in met.places(x):
        seen, largest, found = x[inputs], y[outputs], place[outputs]
        larger = np.greater(seen, largest).astype(place.dtype)
        larger *= place.dtype.type(number)
        np.maximum(found, larger, out=found)
        np.maximum(largest, seen, out=largest)
    return y, place


def spread_to_places(dy: Array, place: Integers, met: Meetings) -> Array:
    """Each dy (N, *out, C) added to the input that was the maximum: -> (N, *in, C)."""
    dx = np.zeros((len(dy), *met.lengths, dy.shape[-1]), dy.dtype)
    for number, outputs, inputs in met.places(dx):
        part = (place[outputs] == number).astype(dy.dtype)
        if met.apart:
            np.multiply(part, dy[outputs], out=dx[inputs])
        else:
            part *= dy[outputs]
            dx[inputs] += part
    return dx


def spread_evenly(dy: Array, met: Meetings) -> Array:
    """Each dy (N, *out, C) added to every input of its block: -> (N, *in, C)."""
    dx = np.zeros((len(dy), *met.lengths, dy.shape[-1]), dy.dtype)
    for samples, rows, inner in met.pieces(dx):
        piece = dy[samples, rows]
        for axis in range(len(met.lengths), 0, -1):
            shape = (*piece.shape[:axis], met.lengths[axis - 1], *piece.shape[axis + 1 :])
            into = np.zeros(shape, dy.dtype) if axis > 1 else dx[samples]
            along = (slice(None),) * axis
            for outputs, inputs in inner.axes[axis - 1]:
                if met.apart:
                    into[(*along, inputs)] = piece[(*along, outputs)]
                else:
                    into[(*along, inputs)] += piece[(*along, outputs)]
            piece = into
    return dx
