"""Upsampling: more places than there were, by repetition or with zeros between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError, StreamError
from cnn_core.geometry import Window, Windows
from cnn_core.layers.chunks import Chunk
from cnn_core.layers.layer import Layer, Pull, Tails
from cnn_core.layers.patches import Sizes, axes_of, per_axis


@dataclass(frozen=True, eq=False)
class Enlargement(Layer, abstract=True):
    """Every input becomes a block of `factor` outputs: (N, *in, C) -> (N, *(in * factor), C)."""

    factor: Sizes

    def __post_init__(self) -> None:
        where = f"{type(self).__name__}: factor"
        per_axis(self.factor, axes_of(self.factor, where), where)

    @classmethod
    def create(cls, factor: int | Sizes, *, axes: int = 2) -> Self:
        """One factor an axis, or one for all. Raises GeometryError for factors below 1."""
        return cls(per_axis(factor, axes, f"{cls.__name__}.create: factor"))

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(3, axes=1), (2, 4, 2)
        yield cls.create((2, 3)), (2, 3, 2, 2)
        yield cls.create((1, 2, 2), axes=3), (1, 2, 3, 2, 2)

    @property
    def windows(self) -> Windows:
        return tuple(Window(1, Fraction(1, f), 0, 1 - Fraction(1, f)) for f in self.factor)

    def lengths(self, lengths: Sizes) -> Sizes:
        if len(lengths) != len(self.factor):
            raise ShapeError(f"{self}: got lengths {lengths}; expected {len(self.factor)} axes")
        return tuple(n * f for n, f in zip(lengths, self.factor, strict=True))

    def tails(self, short: int, channels: int, dtype: np.dtype[Any]) -> Tails:
        if len(self.factor) != 1:
            raise StreamError(f"{self}: got {len(self.factor)} axes; only 1-D signals stream")
        return ()

    def step(self, tails: Tails, chunk: Chunk) -> Chunk:
        (factor,) = self.factor
        y = self.forward(chunk.x)
        return Chunk(y, chunk.before * factor, chunk.count * factor, chunk.rows)

    def _check(self, x: Array) -> None:
        self._expect(x.ndim == len(self.factor) + 2, x, f"{len(self.factor) + 2} axes")

    def _blocks(self, y: Array) -> Array:
        """The outputs with the places of each block on axes of their own, as a view."""
        sizes: list[int] = []
        for length, factor in zip(y.shape[1:-1], self.factor, strict=True):
            sizes += [length // factor, factor]
        return y.reshape(y.shape[0], *sizes, y.shape[-1])


@dataclass(frozen=True, eq=False)
class Upsample(Enlargement):
    """Nearest neighbour: every output of a block is the input."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        self._check(x)
        y = x
        for axis, factor in enumerate(self.factor, start=1):
            y = np.repeat(y, factor, axis=axis)
        places = tuple(range(2, 2 + 2 * len(self.factor), 2))
        return y, lambda dy: (self._blocks(dy).sum(axis=places), self)


@dataclass(frozen=True, eq=False)
class UpsampleZeros(Enlargement):
    """The input at the first place of each block, zeros elsewhere: S - 1 of them after each input.

    The transpose of `Downsample`; with a convolution behind it a transposed convolution.
    """

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        self._check(x)
        first = (slice(None), *(slice(None, None, f) for f in self.factor))
        y = np.zeros((x.shape[0], *self.lengths(x.shape[1:-1]), x.shape[-1]), x.dtype)
        y[first] = x
        return y, lambda dy: (dy[first], self)
