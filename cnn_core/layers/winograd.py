"""Correlation with filters of 3 places an axis by fewer multiplications, at stride 1.

Two outputs along an axis cost 4 products for each pair of channels instead of 6: sums of
neighbouring inputs are multiplied by sums of the filter's weights, and the outputs are sums of
these products (Winograd 1980; for networks Lavin and Gray 2016, whose F(2, 3) this is). With
inputs d0..d3 and filter g0..g2:

    m0 = (d0 - d2) g0                      y0 = m0 + m1 + m2
    m1 = (d1 + d2) (g0 + g1 + g2) / 2      y1 = m1 - m2 - m3
    m2 = (d2 - d1) (g0 - g1 + g2) / 2
    m3 = (d1 - d3) g2

In two dimensions the same is done along rows, then along columns: 16 products instead of 36 for a
tile of 2 x 2 outputs. The products of all tiles are products of matrices; sums over maps cost time
too, so it pays for wide layers only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import prod

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers.patches import BLOCK_BYTES, Sizes, add_bias, cache_blocks, pad
from cnn_core.layers.scratch import Scratch

FEWEST_CHANNELS = {1: 64, 2: 32, 3: 32}
"""By the number of axes: the fewer products are saved, the wider the layer must be."""
FEWEST_TILES = {1: 20, 2: 64, 3: 64}
"""Products of fewer rows are slow, and the filters' sums have to be worth their while."""

GRADIENT_BLOCK_BYTES = 2 * BLOCK_BYTES
"""Each block ends with a sum as large as the filters, so there should be few."""

FILTER_SUMS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


def pays(x: Array, filters: Sizes, stride: Sizes, dilation: Sizes, groups: int) -> bool:
    """Whether filters of this shape, (*kernel, C, D), are of the kind that this file is for, and
    there is enough to do."""
    axes = len(filters) - 2
    ones = (1,) * axes
    return (
        (filters[:-2], stride, dilation, groups) == ((3,) * axes, ones, ones, 1)
        and min(filters[-2:]) >= FEWEST_CHANNELS[axes]
        and prod(x.shape[:-1]) >= 2**axes * FEWEST_TILES[axes]
    )


def correlate_threes(x: Array, weight: Array, bias: Array | None) -> Array:
    """(N, *in, C) with filters (3, .., 3, C, D), and bias (D,) -> (N, *(in - 2), D)."""
    lengths = tuple(max(0, n - 2) for n in x.shape[1:-1])
    tiles = tuple((n + 1) // 2 for n in lengths)
    x = pad(x, tuple((0, n % 2) for n in lengths))
    dtype, filters = np.result_type(x, weight), _filter_sums(weight)
    y = np.empty((len(x), *(2 * n for n in tiles), weight.shape[-1]), dtype)
    scratch = Scratch(dtype)
    tile_bytes = len(filters) * x.shape[-1] * dtype.itemsize
    fewest = FEWEST_TILES[len(tiles)]
    for samples, *cut in cache_blocks((len(x), *tiles), min(tile_bytes, BLOCK_BYTES // fewest)):
        seen = x[(samples, *(slice(2 * each.start, 2 * each.stop + 2) for each in cut))]
        block = y[(samples, *(slice(2 * each.start, 2 * each.stop) for each in cut))]
        _join(_products(seen, filters, scratch), block, scratch)
        add_bias(block, bias)
    return np.ascontiguousarray(y[(slice(None), *(slice(n) for n in lengths))])


def weight_gradient_threes(x: Array, dy: Array) -> Array:
    """What `dy` (N, *out, D) asks of the filters that meet x (N, *in, C): (3, .., 3, C, D)."""
    lengths = dy.shape[1:-1]
    tiles = tuple((n + 1) // 2 for n in lengths)
    odd = tuple((0, n % 2) for n in lengths)
    x, dy = pad(x, odd), pad(dy, odd)
    axes, channels = len(tiles), (x.shape[-1], dy.shape[-1])
    dsums = np.zeros((4**axes, *channels), dy.dtype)
    scratch = Scratch(dy.dtype)
    tile_bytes = len(dsums) * max(channels) * dy.itemsize
    for samples, *cut in cache_blocks((len(x), *tiles), tile_bytes, GRADIENT_BLOCK_BYTES):
        seen = x[(samples, *(slice(2 * each.start, 2 * each.stop + 2) for each in cut))]
        asked = dy[(samples, *(slice(2 * each.start, 2 * each.stop) for each in cut))]
        inputs = _summed(seen, scratch, "sums", _four_inputs, _input_sums)
        outputs = _summed(asked, scratch, "asked", _two_outputs, _asked_sums)
        part = scratch.take("part", *dsums.shape)
        np.matmul(inputs.swapaxes(-1, -2), outputs, out=part)
        dsums += part
    return _filters_asked(dsums, axes)


def _filter_sums(weight: Array) -> Array:
    """Each filter's sums along every axis, those of the last axis outermost: (4 ** axes, C, D)."""
    axes = weight.ndim - 2
    sums = _all_filter_sums(axes).astype(weight.dtype)
    last_first = weight.transpose(*reversed(range(axes)), axes, axes + 1)
    return (sums @ last_first.reshape(3**axes, -1)).reshape(4**axes, *weight.shape[-2:])


def _filters_asked(dsums: Array, axes: int) -> Array:
    """The transpose of `_filter_sums`: (4 ** axes, C, D) -> (3, .., 3, C, D)."""
    sums = _all_filter_sums(axes).astype(dsums.dtype)
    last_first = (sums.T @ dsums.reshape(len(dsums), -1)).reshape(*(3,) * axes, *dsums.shape[1:])
    return np.ascontiguousarray(last_first.transpose(*reversed(range(axes)), axes, axes + 1))


def _all_filter_sums(axes: int) -> Array:
    return reduce(np.kron, [FILTER_SUMS] * axes)


def _products(x: Array, filters: Array, scratch: Scratch) -> Array:
    """The tiles' products, not summed yet: (4 of the last axis, .., of the first, N, *tiles, D)."""
    tiles = tuple(n // 2 - 1 for n in x.shape[1:-1])
    sums = _summed(x, scratch, "sums", _four_inputs, _input_sums)
    products = scratch.take("products", *sums.shape[:-1], filters.shape[-1])
    np.matmul(sums, filters, out=products)
    return products.reshape(*(4,) * len(tiles), len(x), *tiles, filters.shape[-1])


def _summed(
    x: Array,
    scratch: Scratch,
    name: str,
    pieces: Callable[[int], list[slice]],
    sums_of: Callable[[list[Array], Array], None],
) -> Array:
    """The four sums of every tile along every axis, the last axis outermost: (4 ** axes, rows, C).

    `pieces` cuts an axis of so many places into the places that tiles have at each of their own;
    `sums_of` makes the four sums of them.
    """
    sums, axes = x, x.ndim - 2
    for axis in range(axes):
        place = 2 * axis + 1  # each axis before has put its four sums in front
        before = (slice(None),) * place
        parts = [sums[(*before, piece)] for piece in pieces(sums.shape[place])]
        target = scratch.take(f"{name} {axis}", 4, *parts[0].shape)
        sums_of(parts, target)
        sums = target
    return sums.reshape(4**axes, -1, x.shape[-1])


def _four_inputs(length: int) -> list[slice]:
    """Each tile sees four inputs, two of which the next one sees too."""
    return [slice(first, first + length - 3, 2) for first in range(4)]


def _two_outputs(length: int) -> list[slice]:
    return [slice(first, None, 2) for first in range(2)]


def _input_sums(d: list[Array], sums: Array) -> None:
    np.subtract(d[0], d[2], out=sums[0])
    np.add(d[1], d[2], out=sums[1])
    np.subtract(d[2], d[1], out=sums[2])
    np.subtract(d[1], d[3], out=sums[3])


def _asked_sums(dy: list[Array], sums: Array) -> None:
    even, odd = dy
    sums[0] = even
    np.add(even, odd, out=sums[1])
    np.subtract(even, odd, out=sums[2])
    np.negative(odd, out=sums[3])


def _join(products: Array, y: Array, scratch: Scratch) -> None:
    """The products summed in their places of y (N, *out, D), one axis after another."""
    axis = products.ndim - y.ndim - 1
    even, odd = (y[(slice(None),) * (1 + axis) + (slice(first, None, 2),)] for first in (0, 1))
    if axis == 0:
        term = scratch.take("term", *products.shape[1:])
        _output_sums(products, term, odd)
        even[...] = term
        return
    halves = scratch.take(f"halves {axis}", 2, *products.shape[1:])
    _output_sums(products, halves[0], halves[1])
    _join(halves[0], even, scratch)
    _join(halves[1], odd, scratch)


def _output_sums(m: Array, even: Array, odd: Array) -> None:
    np.add(m[1], m[2], out=even)
    np.subtract(m[1], m[2], out=odd)
    np.add(even, m[0], out=even)
    np.subtract(odd, m[3], out=odd)
