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

FILTER_SUMS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


def pays(x: Array, weight: Array, stride: Sizes, dilation: Sizes, groups: int) -> bool:
    """Whether the filters are of the kind that this file is for, and there is enough to do."""
    axes = weight.ndim - 2
    ones = (1,) * axes
    return (
        (weight.shape[:-2], stride, dilation, groups) == ((3,) * axes, ones, ones, 1)
        and min(weight.shape[-2:]) >= FEWEST_CHANNELS[axes]
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


def _filter_sums(weight: Array) -> Array:
    """Each filter's sums along every axis, those of the last axis outermost: (4 ** axes, C, D)."""
    axes = weight.ndim - 2
    sums = reduce(np.kron, [FILTER_SUMS] * axes).astype(weight.dtype)
    last_first = weight.transpose(*reversed(range(axes)), axes, axes + 1)
    return (sums @ last_first.reshape(3**axes, -1)).reshape(4**axes, *weight.shape[-2:])


def _products(x: Array, filters: Array, scratch: Scratch) -> Array:
    """The tiles' products, not summed yet: (4 of the last axis, .., of the first, N, *tiles, D)."""
    sums = x
    for axis in range(x.ndim - 2):
        place = 2 * axis + 1  # each axis before has put its four sums in front
        tiles = sums.shape[place] // 2 - 1
        shape = *sums.shape[:place], tiles, *sums.shape[place + 1 :]
        target = scratch.take(f"sums {axis}", 4, *shape)
        before = (slice(None),) * place
        _input_sums([sums[(*before, slice(i, i + 2 * tiles - 1, 2))] for i in range(4)], target)
        sums = target
    products = scratch.take("products", *sums.shape[:-1], filters.shape[-1])
    by_sum = [each.reshape(len(filters), -1, each.shape[-1]) for each in (sums, products)]
    np.matmul(by_sum[0], filters, out=by_sum[1])
    return products


def _input_sums(d: list[Array], sums: Array) -> None:
    np.subtract(d[0], d[2], out=sums[0])
    np.add(d[1], d[2], out=sums[1])
    np.subtract(d[2], d[1], out=sums[2])
    np.subtract(d[1], d[3], out=sums[3])


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
