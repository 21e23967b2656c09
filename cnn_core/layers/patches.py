"""Cut a batch into windows, and add windows back: what convolution and pooling share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from numbers import Integral

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.geometry import output_length, same_padding

BLOCK_BYTES = 512 * 1024
"""What is computed at a time: half of a common second-level cache."""

SHORT_ROW, LONG_ROW = 64, 1024
"""Rows of so few numbers cost more to begin than to compute; of so many, the beginning is free."""

Sizes = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]


def per_axis(value: int | Sizes, axes: int, where: str = "size") -> Sizes:
    """One setting an axis from a number that stands for all; `where` names it in errors."""
    sizes = tuple(value) if isinstance(value, Iterable) else (value,) * axes
    if len(sizes) != axes or not all(isinstance(n, Integral) and n >= 1 for n in sizes):
        raise GeometryError(
            f"{where}: got {value}; expected {_numbers(axes)} >= 1, or one for all axes"
        )
    return tuple(map(int, sizes))


def axes_of(sizes: Sizes, where: str) -> int:
    """How many axes settings are for; raises GeometryError where they are no tuple."""
    if not isinstance(sizes, tuple):
        raise GeometryError(f"{where}: got {sizes!r}; expected a tuple, or use `create`")
    return len(sizes)


def paddings(
    padding: str | int | Padding, kernel: Sizes, dilation: Sizes, where: str = "layer"
) -> Padding:
    """(before, after) an axis from "valid", "same", "causal", a number, or the pairs themselves.

    Raises GeometryError, which begins with `where`, for padding that cannot be.
    """
    axes = len(kernel)
    if isinstance(padding, Integral) and padding >= 0:
        return ((int(padding), int(padding)),) * axes
    if isinstance(padding, tuple | list) and _are_pairs(padding, axes):
        return tuple((int(before), int(after)) for before, after in padding)
    if padding == "valid":
        return ((0, 0),) * axes
    if padding == "same":
        return tuple(same_padding(k, d) for k, d in zip(kernel, dilation, strict=True))
    if padding == "causal" and axes == 1:
        return ((dilation[0] * (kernel[0] - 1), 0),)
    if padding == "causal":
        raise GeometryError(
            f"{where}: padding: got 'causal' for {axes} axes; it is for one, time. "
            "Give pairs (before, after), an axis each"
        )
    raise GeometryError(
        f'{where}: padding: got {padding!r}; expected "valid", "same", "causal", '
        f"a number >= 0, or {_numbers(axes)} of pairs (before, after) >= 0"
    )


def _are_pairs(padding: Padding, axes: int) -> bool:
    return len(padding) == axes and all(
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and all(isinstance(side, Integral) and side >= 0 for side in pair)
        for pair in padding
    )


def _numbers(axes: int) -> str:
    return "1 number" if axes == 1 else f"{axes} numbers"


def pad(x: Array, padding: Padding) -> Array:
    """The batch with zeros around its swept axes; the batch itself where nothing is added."""
    if not any(before or after for before, after in padding):
        return x
    shape = [n + before + after for n, (before, after) in zip(x.shape[1:-1], padding, strict=True)]
    padded = np.empty((x.shape[0], *shape, x.shape[-1]), x.dtype)
    for axis, (before, after) in enumerate(padding, start=1):
        outer = (slice(None),) * axis
        padded[(*outer, slice(before))] = 0
        padded[(*outer, slice(padded.shape[axis] - after, None))] = 0
    padded[_inside(x, padding)] = x
    return padded


def unpad(padded: Array, padding: Padding) -> Array:
    """The inner part again: the transpose of `pad`."""
    inner = tuple(
        slice(before, n - after)
        for n, (before, after) in zip(padded.shape[1:-1], padding, strict=True)
    )
    return padded[(slice(None), *inner)]


def _inside(x: Array, padding: Padding) -> tuple[slice, ...]:
    return (
        slice(None),
        *(slice(b, b + n) for n, (b, _) in zip(x.shape[1:-1], padding, strict=True)),
    )


def add_bias(y: Array, bias: Array | None) -> None:
    """Adds (D,) to (..., D) in place, many short rows at a time where they lie together."""
    if bias is None:
        return
    if not y.flags.c_contiguous:
        y += bias
        return
    rows = y.reshape(-1, len(bias))
    together = LONG_ROW // len(bias) if len(bias) <= SHORT_ROW else 1
    whole = len(rows) // together * together
    if together > 1 and whole:
        long = rows[:whole].reshape(-1, together * len(bias))
        long += bias[None].repeat(together, axis=0).reshape(-1)
        rows = rows[whole:]
    rows += bias


def unfold(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """Every window of a batch, read-only: (N, *in, C) -> (N, *out, *kernel, C).

    A view, so that windows take no memory of their own (of a copy, where x has gaps).
    """
    counts = output_lengths(x.shape[1:-1], kernel, stride, dilation)
    x = np.ascontiguousarray(x)
    batch, *inner, channel = x.strides
    # The constructor is ten times as fast as `as_strided`, which small inputs notice.
    windows: Array = np.ndarray(
        (x.shape[0], *counts, *kernel, x.shape[-1]),
        x.dtype,
        x,
        strides=(
            batch,
            *(s * n for s, n in zip(stride, inner, strict=True)),
            *(d * n for d, n in zip(dilation, inner, strict=True)),
            channel,
        ),
    )
    windows.flags.writeable = False
    return windows


def fold(windows: Array, lengths: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """Windows added back to their places, the transpose of `unfold`: -> (N, *lengths, C).

    One vectorised addition for each place of the kernel; overlaps accumulate.
    """
    axes = len(lengths)
    counts, kernel = windows.shape[1 : 1 + axes], windows.shape[1 + axes : 1 + 2 * axes]
    x = np.zeros((windows.shape[0], *lengths, windows.shape[-1]), windows.dtype)
    if 0 in counts:
        return x
    for place, target in places(kernel, counts, stride, dilation):
        x[(slice(None), *target)] += windows[(slice(None),) * (1 + axes) + place]
    return x


def places(
    kernel: Sizes, counts: Sizes, stride: Sizes, dilation: Sizes
) -> Iterator[tuple[Sizes, tuple[slice, ...]]]:
    """Each place of the kernel with the inputs that it meets over all windows."""
    for place in product(*map(range, kernel)):
        yield (
            place,
            tuple(
                slice(k * d, k * d + (n - 1) * s + 1, s)
                for k, n, s, d in zip(place, counts, stride, dilation, strict=True)
            ),
        )


def cache_blocks(
    counts: Sizes, item_bytes: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[slice, ...]]:
    """(batch, axis, ...) cut into blocks of at most `block_bytes`, or of one item.

    `item_bytes` is the size of one item of `counts`. An axis is cut only where the ones before it
    have come to one item each, so that every block is one run of memory.
    """
    if 0 in counts:
        return
    fit = max(1, block_bytes // max(1, item_bytes))
    sizes: list[int] = []
    for count in reversed(counts):
        sizes.insert(0, min(count, fit))
        fit //= sizes[0]
    starts = [range(0, count, size) for count, size in zip(counts, sizes, strict=True)]
    for firsts in product(*starts):
        yield tuple(
            slice(first, min(count, first + size))
            for first, count, size in zip(firsts, counts, sizes, strict=True)
        )


def output_lengths(lengths: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    """How many windows fit along each axis."""
    return tuple(map(output_length, lengths, kernel, stride, dilation))
