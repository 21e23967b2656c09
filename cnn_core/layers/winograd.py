"""Correlation with 3 x 3 filters by fewer multiplications, at stride 1.

Four outputs, 2 x 2, cost 16 products for each pair of channels instead of 36: sums of neighbouring
inputs are multiplied by sums of the filter's weights, and the outputs are sums of these products
(Winograd 1980; for networks Lavin and Gray 2016, whose F(2x2, 3x3) this is). In one dimension,
with inputs d0..d3 and filter g0..g2:

    m0 = (d0 - d2) g0                      y0 = m0 + m1 + m2
    m1 = (d1 + d2) (g0 + g1 + g2) / 2      y1 = m1 - m2 - m3
    m2 = (d2 - d1) (g0 - g1 + g2) / 2
    m3 = (d1 - d3) g2

and in two dimensions the same along rows, then along columns. The products of all tiles are 16
products of matrices; sums over maps cost time too, so it pays for 32 channels and more.
"""

from __future__ import annotations

from math import prod

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers.patches import BLOCK_BYTES, Sizes, add_bias, cache_blocks, pad
from cnn_core.layers.scratch import Scratch

FEWEST_CHANNELS = 32
FEWEST_TILES = 64
"""Products of fewer rows are slow, however little memory they take."""

FILTER_SUMS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


def pays(x: Array, weight: Array, stride: Sizes, dilation: Sizes, groups: int) -> bool:
    """Whether the filters are of the kind that this file is for, and there is enough to do."""
    settings = weight.shape[:-2], stride, dilation, groups
    return (
        settings == ((3, 3), (1, 1), (1, 1), 1)
        and min(weight.shape[-2:]) >= FEWEST_CHANNELS
        and prod(x.shape[:-1]) >= 4 * FEWEST_TILES
    )


def correlate_3x3(x: Array, weight: Array, bias: Array | None) -> Array:
    """(N, H, W, C) with filters (3, 3, C, D), and bias (D,) -> (N, H - 2, W - 2, D)."""
    height, width = (max(0, n - 2) for n in x.shape[1:3])
    tiles = (height + 1) // 2, (width + 1) // 2
    x = pad(x, ((0, height % 2), (0, width % 2)))
    dtype, filters = np.result_type(x, weight), _filter_sums(weight)
    y = np.empty((len(x), 2 * tiles[0], 2 * tiles[1], weight.shape[-1]), dtype)
    scratch = Scratch(dtype)
    tile_bytes = min(16 * x.shape[-1] * dtype.itemsize, BLOCK_BYTES // FEWEST_TILES)
    for samples, rows in cache_blocks((len(x), *tiles), tile_bytes):
        seen = x[samples, 2 * rows.start : 2 * rows.stop + 2]
        block = y[samples, 2 * rows.start : 2 * rows.stop]
        _outputs(_products(seen, filters, scratch), block, scratch)
        add_bias(block, bias)
    return np.ascontiguousarray(y[:, :height, :width])


def _filter_sums(weight: Array) -> Array:
    """Sums along columns, then along rows, of each filter: (16, C, D)."""
    both = np.kron(FILTER_SUMS, FILTER_SUMS).astype(weight.dtype)
    columns_first = weight.swapaxes(0, 1).reshape(9, -1)
    return (both @ columns_first).reshape(16, *weight.shape[-2:])


def _products(x: Array, filters: Array, scratch: Scratch) -> Array:
    """All products of the tiles, not summed yet: (4 columns, 4 rows, N, tiles down, across, D)."""
    batch, down, across = len(x), x.shape[1] // 2 - 1, x.shape[2] // 2 - 1
    channels_in, channels_out = filters.shape[1:]
    bands = scratch.take("bands", 4, batch, down, x.shape[2], channels_in)
    _input_sums([x[:, i : i + 2 * down - 1 : 2] for i in range(4)], bands)
    sums = scratch.take("sums", 4, 4, batch, down, across, channels_in)
    _input_sums([bands[:, :, :, i : i + 2 * across - 1 : 2] for i in range(4)], sums)
    products = scratch.take("products", 4, 4, batch, down, across, channels_out)
    tiles = batch * down * across
    np.matmul(
        sums.reshape(16, tiles, channels_in),
        filters,
        out=products.reshape(16, tiles, channels_out),
    )
    return products


def _input_sums(d: list[Array], sums: Array) -> None:
    np.subtract(d[0], d[2], out=sums[0])
    np.add(d[1], d[2], out=sums[1])
    np.subtract(d[2], d[1], out=sums[2])
    np.subtract(d[1], d[3], out=sums[3])


def _outputs(products: Array, y: Array, scratch: Scratch) -> None:
    """The sums of the products, in their places of y (N, 2 down, 2 across, D)."""
    halves = scratch.take("halves", 2, *products.shape[1:])
    term = scratch.take("term", *products.shape[2:])
    _output_sums(products, halves[0], halves[1])
    for column, half in enumerate(halves):
        _output_sums(half, term, y[:, 1::2, column::2])
        y[:, ::2, column::2] = term


def _output_sums(m: Array, even: Array, odd: Array) -> None:
    np.add(m[1], m[2], out=even)
    np.subtract(m[1], m[2], out=odd)
    np.add(even, m[0], out=even)
    np.subtract(odd, m[3], out=odd)
