"""Cross-correlation of a batch with filters, and its two transposes: pure functions of arrays.

A batch is (N, *in, C) with its padding in place, filters are (*kernel, C / groups, D). Output
channels come in `groups` equal parts, each of which sees its own part of the input channels.

Every window becomes a row, so that a block of windows is one product of matrices. Blocks are cut
so that their rows stay in the processor's cache between being written and being multiplied.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import gcd, prod

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers import patches, winograd
from cnn_core.layers.depthwise import correlate_depthwise, weight_gradient_depthwise
from cnn_core.layers.patches import (
    Sizes,
    add_bias,
    cache_blocks,
    output_lengths,
    pad,
    unfold,
)
from cnn_core.layers.scratch import Scratch

FEWEST_ROWS = 32
"""Products of fewer rows are slow."""


def correlate(
    x: Array,
    weight: Array,
    stride: Sizes,
    dilation: Sizes,
    groups: int = 1,
    bias: Array | None = None,
) -> Array:
    """The sum of products at every window, plus the bias (D,): (N, *in, C) -> (N, *out, D)."""
    # Before any sum is taken: half precision would overflow in Winograd's.
    x = x.astype(np.result_type(x, weight), copy=False)
    if _is_depthwise(weight.shape[-2], groups):
        y = correlate_depthwise(x, weight, stride, dilation)
        add_bias(y, bias)
        return y
    if winograd.pays(x, weight.shape, stride, dilation, groups):
        return winograd.correlate_threes(x, weight, bias)
    counts = output_lengths(x.shape[1:-1], weight.shape[:-2], stride, dilation)
    y = np.empty((x.shape[0], *counts, weight.shape[-1]), x.dtype)
    columns = _by_group(weight.reshape(-1, weight.shape[-1]), groups)
    for place, rows in _row_blocks(x, weight.shape[:-2], stride, dilation, groups):
        block = y[place].reshape(-1, y.shape[-1])
        np.matmul(rows, columns, out=_by_group(block, groups))
        add_bias(block, bias)
    return y


def weight_gradient(
    x: Array, dy: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, groups: int = 1
) -> Array:
    """What `dy` (N, *out, D) asks of the filters: (*kernel, C / groups, D)."""
    if _is_depthwise(x.shape[-1] // groups, groups):
        return weight_gradient_depthwise(x, dy, kernel, stride, dilation)
    if winograd.pays(x, (*kernel, x.shape[-1] // groups, dy.shape[-1]), stride, dilation, groups):
        return winograd.weight_gradient_threes(x.astype(np.result_type(x, dy), copy=False), dy)
    dweight = np.zeros((prod(kernel) * x.shape[-1] // groups, dy.shape[-1]), dy.dtype)
    by_group = _by_group(dweight, groups)
    for place, rows in _row_blocks(x, kernel, stride, dilation, groups):
        block = dy[place].reshape(-1, dy.shape[-1])
        by_group += rows.swapaxes(-1, -2) @ _by_group(block, groups)
    return dweight.reshape(*kernel, -1, dy.shape[-1])


def spread(
    dy: Array, weight: Array, lengths: Sizes, stride: Sizes, dilation: Sizes, groups: int = 1
) -> Array:
    """Each `dy` spread over its window with the weights, overlaps added: -> (N, *lengths, C).

    Inputs a stride apart meet the same places of the kernel. So each such set of inputs is a
    correlation at stride 1 of `dy` with the filters at these places, turned about.
    """
    dx = np.zeros((len(dy), *lengths, weight.shape[-2] * groups), dy.dtype)
    for phase in product(*map(range, stride)):
        met = list(map(_places_met, phase, weight.shape, stride, dilation))
        filters = weight[tuple(places for places, _, _ in met)]
        if filters.size == 0 or dy.size == 0:
            continue
        apart = tuple(step for _, step, _ in met)
        reach = [(n - 1) * step for n, step in zip(filters.shape, apart, strict=False)]
        padded = pad(dy, tuple((r, r) for r in reach))
        ones = (1,) * len(phase)
        part = correlate(padded, flipped(filters, groups), ones, apart, groups)
        inputs = dx[(slice(None), *map(_every, phase, stride))]
        firsts = [first for _, _, first in met]
        inputs[(slice(None), *map(_run, firsts, part.shape[1:]))] = part
    return dx


def _places_met(first: int, kernel: int, stride: int, dilation: int) -> tuple[slice, int, int]:
    """Places of the kernel that inputs first, first + stride, ... meet; how many outputs lie
    between two of them; and the first of these inputs that the first output meets."""
    common = gcd(stride, dilation)
    step = stride // common
    met = [k for k in range(min(step, kernel)) if (k * dilation - first) % stride == 0]
    if not met:
        return slice(0, 0), 1, 0
    return slice(met[0], None, step), dilation // common, (met[0] * dilation - first) // stride


def _every(first: int, step: int) -> slice:
    return slice(first, None, step)


def _run(first: int, length: int) -> slice:
    return slice(first, first + length)


def flipped(weight: Array, groups: int = 1) -> Array:
    """The filters turned about, inputs and outputs exchanged: at stride 1 `spread` is
    `correlate` with these."""
    *kernel, channels_in, channels_out = weight.shape
    turned = np.flip(weight, axis=tuple(range(len(kernel))))
    parts = turned.reshape(*kernel, channels_in, groups, channels_out // groups)
    return parts.swapaxes(-1, -3).reshape(*kernel, channels_out // groups, channels_in * groups)


def _is_depthwise(channels_a_group: int, groups: int) -> bool:
    return channels_a_group == 1 and groups > 1


def _by_group(columns: Array, groups: int) -> Array:
    """(rows, groups * D) -> (groups, rows, D), a view."""
    return columns.reshape(len(columns), groups, columns.shape[1] // groups).swapaxes(0, 1)


def _row_blocks(
    x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, groups: int
) -> Iterator[tuple[tuple[slice, ...], Array]]:
    """Blocks of windows: their place in (N, *out) and their rows (groups, windows, kernel * C).

    Rows are to be used before the next block is asked for: all blocks share their memory.
    """
    if prod(kernel) == prod(stride) == 1:
        yield (slice(None),), _by_group(x.reshape(-1, x.shape[-1]), groups)
        return
    windows = unfold(x, kernel, stride, dilation)
    windows = windows.reshape(*windows.shape[:-1], groups, x.shape[-1] // groups)
    counts, window = windows.shape[: 1 + len(kernel)], windows.shape[1 + len(kernel) :]
    groups_first = (windows.ndim - 2, *range(windows.ndim - 2), windows.ndim - 1)
    scratch = Scratch(x.dtype)
    row_bytes = min(prod(window) * x.itemsize, patches.BLOCK_BYTES // FEWEST_ROWS)
    for place in cache_blocks(counts, row_bytes):
        block = windows[place].transpose(groups_first)
        rows = scratch.take("rows", *block.shape)
        _copy(block, rows, len(kernel) - 1)
        yield place, rows.reshape(groups, -1, prod(window) // groups)


def _copy(windows: Array, rows: Array, outer: int) -> None:
    """Windows (..., *kernel, C) into memory of their shape; the kernel has `outer` axes + 1.

    What a window sees along its last axis lies together, unless dilated or grouped. In pictures
    it is copied as one piece, one place of the outer axes at a time: NumPy likes long loops.
    """
    length, channels = windows.shape[-2:]
    if outer == 0 or windows.strides[-2:] != (channels * rows.itemsize, rows.itemsize):
        np.copyto(rows, windows)
        return
    piece = np.dtype((np.void, length * channels * rows.itemsize))
    source, target = (
        array.reshape(*array.shape[:-2], length * channels).view(piece)[..., 0]
        for array in (windows, rows)
    )
    for place in np.ndindex(*source.shape[source.ndim - outer :]):
        target[(..., *place)] = source[(..., *place)]
