"""Locally connected layers: windows as in convolution, but weights of its own at every place.

What convolution gives up and gains by sharing: without it a pattern is learnt anew at each place,
the layer fits one size of input only, and weights are as many times more as there are places
(LeCun 1989; CMU 11-785, "Scanning for patterns").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import prod
from typing import ClassVar, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError, ShapeError
from cnn_core.geometry import Windows
from cnn_core.init import Initialiser, he
from cnn_core.layers.checks import check_shape
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.patches import Sizes, fold, output_lengths, per_axis, unfold
from cnn_core.tree import OFFSET


@dataclass(frozen=True, eq=False)
class LocallyConnected(Layer, abstract=True):
    """(N, *in, C) -> (N, *out, D) with `weight` (*out, *kernel, C, D) and `bias` (*out, D)."""

    axes: ClassVar[int] = 0

    weight: Array
    bias: Array = field(metadata=OFFSET)
    stride: Sizes

    def __post_init__(self) -> None:
        name, axes = type(self).__name__, self.axes
        sizes = ("places",) * axes + ("kernel",) * axes
        check_shape(f"{name}: weight", self.weight, (*sizes, "C", "D"))
        check_shape(f"{name}: bias", self.bias, (*self.counts, self.weight.shape[-1]))
        per_axis(self.stride, axes, f"{name}: stride")

    @classmethod
    def create(
        cls,
        rng: np.random.Generator,
        lengths: int | Sizes,
        channels_in: int,
        channels_out: int,
        kernel: int | Sizes,
        *,
        stride: int | Sizes = 1,
        initialiser: Initialiser = he,
    ) -> Self:
        """For inputs of these lengths and no others; He-initialised weights, zero bias."""
        where = f"{cls.__name__}.create:"
        lengths = per_axis(lengths, cls.axes, f"{where} lengths")
        kernel = per_axis(kernel, cls.axes, f"{where} kernel")
        stride = per_axis(stride, cls.axes, f"{where} stride")
        counts = output_lengths(lengths, kernel, stride, (1,) * cls.axes)
        if 0 in counts:
            raise GeometryError(
                f"{where} kernel: got {kernel} for inputs of {lengths}; expected one that fits"
            )
        fans = prod(kernel) * channels_in, prod(kernel) * channels_out
        weight = initialiser(rng, (*counts, *kernel, channels_in, channels_out), *fans)
        return cls(weight, np.zeros((*counts, channels_out), np.float32), stride)

    @property
    def counts(self) -> Sizes:
        """How many places, an axis each."""
        return self.weight.shape[: self.axes]

    @property
    def kernel(self) -> Sizes:
        return self.weight.shape[self.axes : 2 * self.axes]

    @property
    def windows(self) -> Windows:
        raise GeometryError(
            f"{self}: has weights of its own at every place of an input of one fixed size, so it "
            "cannot be swept; use a convolution, which shares them"
        )

    def lengths(self, lengths: Sizes) -> Sizes:
        fit = len(lengths) == self.axes and self.counts == output_lengths(
            lengths, self.kernel, self.stride, (1,) * self.axes
        )
        if not fit:
            raise ShapeError(
                f"{self}: got lengths {lengths}; expected those of {self.counts} places"
            )
        return self.counts

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._expect_channels(shape, self.weight.shape[-2])
        return (shape[0], *self.lengths(shape[1:-1]), self.weight.shape[-1])

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        return shape[0] * self.weight.size

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        shape, rows = self.output_shape(x.shape), self._rows(x)
        filters = self.weight.reshape(prod(self.counts), rows.shape[-1], -1)
        y = np.moveaxis(rows @ filters, 0, 1).reshape(shape) + self.bias

        def pull(dy: Array) -> tuple[Array, LocallyConnected]:
            by_place = np.moveaxis(dy.reshape(len(dy), len(filters), dy.shape[-1]), 1, 0)
            drows = np.moveaxis(by_place @ filters.swapaxes(1, 2), 0, 1)
            windows = drows.reshape(*shape[:-1], *self.kernel, x.shape[-1])
            dweight = (rows.swapaxes(1, 2) @ by_place).reshape(self.weight.shape)
            dx = fold(windows, x.shape[1:-1], self.stride, (1,) * self.axes)
            return dx, replace(self, weight=dweight, bias=dy.sum(axis=0))

        return y, pull

    def _rows(self, x: Array) -> Array:
        """What each place sees: (places, N, kernel * C)."""
        channels = self.weight.shape[-2]
        windows = unfold(x, self.kernel, self.stride, (1,) * self.axes)
        rows = windows.reshape(len(x), prod(self.counts), prod(self.kernel) * channels)
        return np.moveaxis(rows, 1, 0)


@dataclass(frozen=True, eq=False)
class LocallyConnected1d(LocallyConnected):
    """Over a signal of one length: (N, T, C) -> (N, T', D)."""

    axes: ClassVar[int] = 1

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(rng, 7, 2, 3, 3), (2, 7, 2)
        yield cls.create(rng, 9, 2, 2, 4, stride=2), (3, 9, 2)


@dataclass(frozen=True, eq=False)
class LocallyConnected2d(LocallyConnected):
    """Over a picture of one size: (N, H, W, C) -> (N, H', W', D)."""

    axes: ClassVar[int] = 2

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(rng, (4, 5), 2, 3, (2, 3)), (2, 4, 5, 2)
        yield cls.create(rng, 5, 1, 2, 2, stride=(2, 1)), (1, 5, 5, 1)
