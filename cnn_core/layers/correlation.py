"""Cross-correlation of a batch with filters, and its two transposes: pure functions of arrays.

A batch is (N, *in, C) with its padding in place, filters are (*kernel, C / groups, D). Output
channels come in `groups` equal parts, each of which sees its own part of the input channels.
"""

from __future__ import annotations

from math import prod

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers.patches import Sizes, fold, output_lengths, places, unfold


def correlate(x: Array, weight: Array, stride: Sizes, dilation: Sizes, groups: int = 1) -> Array:
    """The sum of products at every window: (N, *in, C) -> (N, *out, D)."""
    kernel, channels_out = weight.shape[:-2], weight.shape[-1]
    counts = output_lengths(x.shape[1:-1], kernel, stride, dilation)
    if weight.shape[-2] == 1 and groups > 1:
        return _depthwise(x, weight, counts, stride, dilation)
    rows = _group_rows(x, kernel, stride, dilation, groups)
    y = rows @ _group_weights(weight, groups)
    return np.moveaxis(y, 0, 1).reshape(x.shape[0], *counts, channels_out)


def weight_gradient(
    x: Array, dy: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, groups: int = 1
) -> Array:
    """What `dy` (N, *out, D) asks of the filters: (*kernel, C / groups, D)."""
    channels_in, channels_out = x.shape[-1] // groups, dy.shape[-1]
    rows = _group_rows(x, kernel, stride, dilation, groups)
    dy_rows = np.moveaxis(dy.reshape(-1, groups, channels_out // groups), 1, 0)
    dweight = rows.swapaxes(-1, -2) @ dy_rows
    return np.moveaxis(dweight, 0, 1).reshape(*kernel, channels_in, channels_out)


def spread(
    dy: Array, weight: Array, lengths: Sizes, stride: Sizes, dilation: Sizes, groups: int = 1
) -> Array:
    """Each `dy` spread over its window with the weights, overlaps added: -> (N, *lengths, C)."""
    kernel, channels = weight.shape[:-2], weight.shape[-2] * groups
    counts = dy.shape[1:-1]
    dy_rows = np.moveaxis(dy.reshape(-1, groups, dy.shape[-1] // groups), 1, 0)
    rows = dy_rows @ _group_weights(weight, groups).swapaxes(-1, -2)
    windows = rows.reshape(groups, -1, prod(kernel), weight.shape[-2])
    windows = windows.transpose(1, 2, 0, 3).reshape(dy.shape[0], *counts, *kernel, channels)
    return fold(windows, lengths, stride, dilation)


def flipped(weight: Array, groups: int = 1) -> Array:
    """The filters turned about, inputs and outputs exchanged: at stride 1 `spread` is
    `correlate` with these."""
    *kernel, channels_in, channels_out = weight.shape
    turned = np.flip(weight, axis=tuple(range(len(kernel))))
    parts = turned.reshape(*kernel, channels_in, groups, channels_out // groups)
    swapped = parts.swapaxes(-1, -3)
    return swapped.reshape(*kernel, channels_out // groups, channels_in * groups)


def _group_rows(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, groups: int) -> Array:
    """Every window as a row of its group's matrix: (groups, N * windows, kernel * C / groups)."""
    channels = x.shape[-1] // groups
    windows = unfold(x, kernel, stride, dilation)
    places_first = np.moveaxis(windows.reshape(-1, prod(kernel), groups, channels), 2, 0)
    return places_first.reshape(groups, -1, prod(kernel) * channels)


def _group_weights(weight: Array, groups: int) -> Array:
    """(*kernel, C / groups, D) -> (groups, kernel * C / groups, D / groups)."""
    columns = weight.reshape(prod(weight.shape[:-1]), groups, weight.shape[-1] // groups)
    return np.moveaxis(columns, 1, 0)


def _depthwise(x: Array, weight: Array, counts: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """One input channel a filter: a multiplication over the whole map for each place."""
    multiplier = weight.shape[-1] // x.shape[-1]
    y = np.zeros((x.shape[0], *counts, x.shape[-1], multiplier), np.result_type(x, weight))
    if 0 in y.shape:
        return y.reshape(*y.shape[:-2], weight.shape[-1])
    for place, seen in places(weight.shape[:-2], counts, stride, dilation):
        filters = weight[place].reshape(x.shape[-1], multiplier)
        y += x[(slice(None), *seen)][..., None] * filters
    return y.reshape(*y.shape[:-2], weight.shape[-1])
