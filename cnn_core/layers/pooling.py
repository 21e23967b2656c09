"""Pooling: one number a channel for every block: its maximum, its sum or its mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError, ShapeError
from cnn_core.geometry import Windows, conv_window
from cnn_core.layers.blocks import (
    Meetings,
    block_counts,
    largest_places,
    reduce_blocks,
    spread_evenly,
    spread_to_places,
)
from cnn_core.layers.layer import Layer, Pull, Tails
from cnn_core.layers.patches import Padding, Sizes, axes_of, paddings, per_axis
from cnn_core.layers.tail import Tail


@dataclass(frozen=True, eq=False)
class Pool(Layer, abstract=True):
    """Blocks of `kernel`, `stride` apart: (N, *in, C) -> (N, *out, C).

    `padding` is (before, after) an axis, () for none. It is less than the kernel, so that every
    block holds an input. Where blocks overlap their gradients add up.
    """

    kernel: Sizes
    stride: Sizes
    padding: Padding = ()

    def __post_init__(self) -> None:
        name = type(self).__name__
        axes = max(1, axes_of(self.kernel, f"{name}: kernel"))
        given = self.padding or ((0, 0),) * axes
        *_, padding = block_geometry(name, self.kernel, self.stride, given, axes)
        object.__setattr__(self, "padding", padding)
        if any(max(sides) >= k for sides, k in zip(padding, self.kernel, strict=True)):
            raise GeometryError(
                f"{self}: padding: got {padding}; expected less than the kernel {self.kernel} on "
                "each side, so that every block holds an input"
            )

    @property
    def windows(self) -> Windows:
        settings = zip(self.kernel, self.stride, self.padding, strict=True)
        return tuple(conv_window(k, s, 1, before) for k, s, (before, _) in settings)

    def lengths(self, lengths: Sizes) -> Sizes:
        if len(lengths) != len(self.kernel):
            raise ShapeError(f"{self}: got lengths {lengths}; expected {len(self.kernel)} axes")
        return block_counts(lengths, self.kernel, self.stride, self.padding)

    def stepped(self) -> Self:
        return replace(self, padding=())

    def _met(self, x: Array) -> Meetings:
        """Where the places of the kernel meet the batch, if it fits the layer."""
        axes = len(self.kernel)
        self._expect(x.ndim == axes + 2, x, f"{axes + 2} axes")
        return Meetings.of(x.shape[1:-1], self.kernel, self.stride, self.padding)

    def __str__(self) -> str:
        return f"{type(self).__name__}({'x'.join(map(str, self.kernel))})"


def block_geometry(
    name: str,
    kernel: int | Sizes,
    stride: int | Sizes | None,
    padding: str | int | Padding,
    axes: int,
) -> tuple[Sizes, Sizes, Padding]:
    """Kernel, stride (the kernel where None) and padding, an axis each; `name` begins errors."""
    kernel = per_axis(kernel, axes, f"{name}: kernel")
    strides = kernel if stride is None else per_axis(stride, axes, f"{name}: stride")
    return kernel, strides, paddings(padding, kernel, (1,) * axes, name)


@dataclass(frozen=True, eq=False)
class PlainPool(Pool, abstract=True):
    """A pool that is told by its blocks alone."""

    @classmethod
    def create(
        cls,
        kernel: int | Sizes,
        *,
        stride: int | Sizes | None = None,
        padding: str | int | Padding = "valid",
        axes: int = 1,
    ) -> Self:
        """Blocks side by side, unless a stride is given; `padding` as a convolution's.

        Raises GeometryError for settings that cannot be.
        """
        return cls(*block_geometry(cls.__name__, kernel, stride, padding, axes))

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(2), (2, 7, 3)
        yield cls.create(3, stride=1), (2, 8, 2)
        yield cls.create(1, stride=3), (2, 8, 2)
        yield cls.create(2, axes=2), (2, 5, 6, 2)
        yield cls.create((3, 2), stride=(2, 1), axes=2), (2, 7, 5, 2)
        yield cls.create(4, stride=3, padding="same"), (2, 8, 2)
        yield cls.create(3, stride=2, padding="causal"), (2, 8, 2)
        yield cls.create(3, stride=2, padding=1, axes=2), (2, 6, 5, 2)
        yield (
            cls.create((1, 2, 3), stride=(1, 2, 2), padding=((0, 0), (1, 0), (1, 1)), axes=3),
            (1, 2, 5, 4, 2),
        )


@dataclass(frozen=True, eq=False)
class MaxPool(PlainPool):
    """The largest of each block; its gradient goes to the first place of the maximum.

    Padding never wins: it counts as minus infinity.
    """

    def forward(self, x: Array) -> Array:
        return reduce_blocks(x, self._met(x), np.maximum, -np.inf)

    def tails(self, short: int, channels: int, dtype: np.dtype[Any]) -> Tails:
        window, _ = self._streaming
        return Tail(int(window.size) - 1, short, channels, dtype, fill=np.finfo(dtype).min)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        met = self._met(x)
        y, place = largest_places(x, met)
        return y, lambda dy: (spread_to_places(dy, place, met), self)


@dataclass(frozen=True, eq=False)
class SumPool(PlainPool):
    """The sum of each block; padding counts as zero."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        met = self._met(x)
        return reduce_blocks(x, met, np.add, 0.0), lambda dy: (spread_evenly(dy, met), self)


@dataclass(frozen=True, eq=False)
class MeanPool(PlainPool):
    """The mean of each block; padding counts as zero, and is counted."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        met, places = self._met(x), prod(self.kernel)
        y = reduce_blocks(x, met, np.add, 0.0)
        y /= places
        return y, lambda dy: (spread_evenly(dy / places, met), self)
