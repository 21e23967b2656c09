"""Reduce the blocks of a batch, place by place: pure functions of arrays, nothing is unfolded.

A batch is (N, *in, C). Of all blocks together the inputs at one place of the kernel are a strided
slice, so that a reduction is one vectorised operation a place. Where it can be done axis by axis
it takes the sum of the kernel's lengths, not their product. Padding is never written: a place
outside the input is left out of the slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.layers.patches import Padding, Sizes

Meeting = tuple[slice, slice]
"""Outputs along an axis, and the inputs that they meet at one place of the kernel."""


def block_counts(lengths: Sizes, kernel: Sizes, stride: Sizes, padding: Padding) -> Sizes:
    """How many blocks fit along each axis; none where there is no input at all."""
    return tuple(
        max(0, (n + before + after - k) // s + 1) if n else 0
        for n, k, s, (before, after) in zip(lengths, kernel, stride, padding, strict=True)
    )


def meetings(
    lengths: Sizes, kernel: Sizes, stride: Sizes, padding: Padding
) -> tuple[list[Meeting], ...]:
    """For each axis the meetings at all places of the kernel, in order."""
    counts = block_counts(lengths, kernel, stride, padding)
    settings = zip(lengths, counts, kernel, stride, padding, strict=True)
    return tuple(
        [_meeting(n, count, s, place - before) for place in range(k)]
        for n, count, k, s, (before, _) in settings
    )


def _meeting(length: int, count: int, stride: int, shift: int) -> Meeting:
    """Outputs o whose input o * stride + shift exists, and those inputs."""
    first = max(0, -(shift // stride))
    past = min(count, (length - 1 - shift) // stride + 1)
    if first >= past:
        return slice(0, 0), slice(0, 0)
    begin = first * stride + shift
    return slice(first, past), slice(begin, begin + (past - first - 1) * stride + 1, stride)


def places(met: tuple[list[Meeting], ...]) -> Iterator[tuple[tuple[slice, ...], ...]]:
    """(outputs, inputs) as an index of a batch, for each place of the kernel in row-major order."""
    for place in product(*met):
        outputs, inputs = zip(*place, strict=True)
        yield (slice(None), *outputs), (slice(None), *inputs)


def reduce_blocks(
    x: Array, met: tuple[list[Meeting], ...], counts: Sizes, combine: np.ufunc, nothing: float
) -> Array:
    """`combine` over every block, axis by axis: (N, *in, C) -> (N, *out, C).

    `nothing` changes no result: 0 for sums, minus infinity for maxima. May be a view of `x`.
    """
    for axis, (meeting, count) in enumerate(zip(met, counts, strict=True), start=1):
        x = _reduce_axis(x, axis, meeting, count, combine, nothing)
    return x


def _reduce_axis(
    x: Array, axis: int, meeting: list[Meeting], count: int, combine: np.ufunc, nothing: float
) -> Array:
    before = (slice(None),) * axis
    whole = [inputs for outputs, inputs in meeting if outputs == slice(0, count)]
    if len(whole) == len(meeting) == 1:
        return x[(*before, whole[0])]
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    if len(whole) == len(meeting):
        first, second, *meeting = meeting
        y: Array = combine(x[(*before, first[1])], x[(*before, second[1])])
    else:
        y = np.full(shape, nothing, x.dtype)
    for outputs, inputs in meeting:
        part = y[(*before, outputs)]
        combine(part, x[(*before, inputs)], out=part)
    return y


def largest_places(
    x: Array, met: tuple[list[Meeting], ...], counts: Sizes
) -> tuple[Array, Integers]:
    """The maximum of every block and its place in the kernel, row-major: both (N, *out, C).

    Of equal inputs the first counts. No branches: a larger input brings a larger number of a place.
    """
    each = list(places(met))
    shape = (x.shape[0], *counts, x.shape[-1])
    best = np.full(shape, -np.inf, x.dtype)
    place = np.zeros(shape, np.min_scalar_type(len(each)))
    for number, (outputs, inputs) in enumerate(each):
        seen, part = x[inputs], best[outputs]
        number_where_larger = np.greater(seen, part).astype(place.dtype)
        number_where_larger *= place.dtype.type(number)
        np.maximum(place[outputs], number_where_larger, out=place[outputs])
        np.maximum(part, seen, out=part)
    return best, place


def spread_to_places(
    dy: Array, place: Integers, met: tuple[list[Meeting], ...], shape: tuple[int, ...]
) -> Array:
    """Each dy (N, *out, C) added to the input that was the maximum: -> `shape` (N, *in, C)."""
    dx = np.zeros(shape, dy.dtype)
    for number, (outputs, inputs) in enumerate(places(met)):
        dx[inputs] += dy[outputs] * (place[outputs] == number)
    return dx


def spread_evenly(dy: Array, met: tuple[list[Meeting], ...], lengths: Sizes) -> Array:
    """Each dy (N, *out, C) added to every input of its block: -> (N, *lengths, C)."""
    for axis, (meeting, length) in reversed(list(enumerate(zip(met, lengths, strict=True), 1))):
        before = (slice(None),) * axis
        dx = np.zeros((*dy.shape[:axis], length, *dy.shape[axis + 1 :]), dy.dtype)
        for outputs, inputs in meeting:
            dx[(*before, inputs)] += dy[(*before, outputs)]
        dy = dx
    return dy
