"""Filtering with filters made by hand: correlation, flipped convolution, and the known kernels.

A filter is a small array, an axis for each axis it slides along; what it slides over has the same
axes, or channels behind them, each of which is filtered alike: (*in) or (*in, C).
"""

from __future__ import annotations

from math import prod

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError, ShapeError
from cnn_core.layers.correlation import correlate as _correlate
from cnn_core.layers.patches import Padding, pad, paddings


def correlate(x: Array, kernel: Array, *, padding: str | int | Padding = "same") -> Array:
    """The sum of products with the filter laid over every place, as a network's layers do it."""
    axes = kernel.ndim
    if axes == 0 or x.ndim not in (axes, axes + 1):
        raise ShapeError(
            f"filter: got an input of shape {x.shape} under a kernel of shape {kernel.shape}; "
            "expected as many axes as the kernel's, or one more for channels"
        )
    ones = (1,) * axes
    maps = x.reshape(*x.shape[:axes], prod(x.shape[axes:]))
    batch = np.moveaxis(maps, -1, 0)[..., None]
    padded = pad(batch, paddings(padding, kernel.shape, ones, "filter"))
    y = np.moveaxis(_correlate(padded, kernel[..., None, None], ones, ones)[..., 0], 0, -1)
    return y.reshape(*y.shape[:axes], *x.shape[axes:])


def convolve(x: Array, kernel: Array, *, padding: str | int | Padding = "same") -> Array:
    """Correlation with the filter turned about: the convolution of mathematics, which may be
    done in any order and grouped at will."""
    return correlate(x, np.flip(kernel), padding=padding)


def identity(size: int = 3) -> Array:
    """One in the middle: changes nothing."""
    kernel = np.zeros((_odd("identity", size), size))
    kernel[size // 2, size // 2] = 1
    return kernel


def shift(down: int, right: int) -> Array:
    """Under `convolve` the picture moves so many pixels down and right, zeros moving in; under
    `correlate` it moves the other way."""
    kernel = np.zeros((2 * abs(down) + 1, 2 * abs(right) + 1))
    kernel[abs(down) + down, abs(right) + right] = 1
    return kernel


def box(size: int = 3) -> Array:
    """The mean of the neighbourhood."""
    return np.full((_odd("box", size), size), 1 / size**2)


def gaussian(size: int = 5, sigma: float = 1.0) -> Array:
    """A mean that falls off with the distance in pixels as exp(-d^2 / (2 sigma^2)); sums to 1."""
    if not sigma > 0:
        raise GeometryError(f"gaussian: got sigma {sigma}; expected a number of pixels > 0")
    distance = np.arange(_odd("gaussian", size)) - size // 2
    row = np.exp(-(distance**2) / (2 * sigma**2))
    kernel: Array = np.outer(row, row) / row.sum() ** 2
    return kernel


def sharpen(size: int = 3) -> Array:
    """Twice the picture less its box mean: what the mean took away is added instead."""
    return 2 * identity(size) - box(size)


def edge() -> Array:
    """Eight times the pixel less its neighbours: 0 where a picture is plain (a Laplacian)."""
    return 9 * (identity() - box())


def emboss() -> Array:
    """Lit from the lower right: the slope along the diagonal, added to the picture."""
    return np.array([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])


def _odd(name: str, size: int) -> int:
    if size < 1 or size % 2 == 0:
        raise GeometryError(f"{name}: got size {size}; expected an odd number, so it has a middle")
    return size
