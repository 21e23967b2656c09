"""Depth-wise correlation: every output channel sees one input channel, nothing is summed over.

As a product of matrices it would have a single column, so here each place of the kernel is one
multiplication and one addition over the map. The last swept axis and the channels make one long
row, with the filters repeated along it, because processors like long rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers.patches import Sizes, cache_blocks, output_lengths


def correlate_depthwise(x: Array, weight: Array, stride: Sizes, dilation: Sizes) -> Array:
    """(N, *in, C) with filters (*kernel, 1, D) -> (N, *out, D); output d sees input d // (D/C)."""
    y, rows = _rows(x, weight.shape, stride, dilation)
    if y.size == 0:
        return y
    met = list(_met(x, rows, weight.shape, stride, dilation))
    filters = [np.tile(weight[place].reshape(-1), y.shape[-2]) for place, _ in met]
    for block in cache_blocks(rows.shape[:-1], rows.shape[-1] * rows.itemsize):
        total = rows[block]
        np.multiply(met[0][1][block], filters[0], out=total)
        term = np.empty_like(total)
        for (_, seen), row in zip(met[1:], filters[1:], strict=True):
            np.multiply(seen[block], row, out=term)
            total += term
    return y


def weight_gradient_depthwise(
    x: Array, dy: Array, kernel: Sizes, stride: Sizes, dilation: Sizes
) -> Array:
    """What `dy` (N, *out, D) asks of the filters: (*kernel, 1, D)."""
    dweight = np.zeros((*kernel, 1, dy.shape[-1]), dy.dtype)
    if dy.size == 0:
        return dweight
    rows = dy.reshape(*dy.shape[:-2], -1)
    outer = "abcdef"[: rows.ndim - 1]
    for place, seen in _met(x, rows, dweight.shape, stride, dilation):
        along = np.einsum(f"{outer}z,{outer}z->z", seen, rows)
        dweight[place] = along.reshape(dy.shape[-2:]).sum(axis=0)
    return dweight


def _rows(
    x: Array, weight_shape: tuple[int, ...], stride: Sizes, dilation: Sizes
) -> tuple[Array, Array]:
    """An empty output (N, *out, D), and the same memory as rows (N, *out[:-1], out[-1] * D)."""
    counts = output_lengths(x.shape[1:-1], weight_shape[:-2], stride, dilation)
    y = np.empty((x.shape[0], *counts, weight_shape[-1]), x.dtype)
    return y, y.reshape(*y.shape[:-2], counts[-1] * weight_shape[-1])


def _met(
    x: Array, rows: Array, weight_shape: tuple[int, ...], stride: Sizes, dilation: Sizes
) -> Iterator[tuple[Sizes, Array]]:
    """Each place of the kernel with what it meets over all windows, as rows like the output's."""
    *kernel, _, channels = weight_shape
    x = x if channels == x.shape[-1] else np.repeat(x, channels // x.shape[-1], axis=-1)
    step = stride[-1]
    # Every step-th column, so that at a stride rows are unbroken too.
    planes = [np.ascontiguousarray(x[..., first::step, :]) for first in range(step)]
    planes = [plane.reshape(*plane.shape[:-2], -1) for plane in planes]
    for place in product(*map(range, kernel)):
        outer = tuple(
            slice(k * d, k * d + (n - 1) * s + 1, s)
            for k, n, s, d in zip(place[:-1], rows.shape[1:-1], stride, dilation, strict=False)
        )
        column = place[-1] * dilation[-1]
        first = column // step * channels
        seen = planes[column % step][(slice(None), *outer)]
        yield place, seen[..., first : first + rows.shape[-1]]
