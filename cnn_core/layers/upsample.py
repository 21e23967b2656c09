"""Upsampling by repetition: every input becomes a block of equal outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import StreamError
from cnn_core.geometry import Window, Windows
from cnn_core.layers.chunks import Chunk
from cnn_core.layers.layer import Layer, Pull, Tails
from cnn_core.layers.patches import Sizes, per_axis


@dataclass(frozen=True, eq=False)
class Upsample(Layer):
    """Nearest-neighbour enlargement: (N, *in, C) -> (N, *(in * factor), C)."""

    factor: Sizes

    @classmethod
    def create(cls, factor: int | Sizes, *, axes: int = 2) -> Self:
        return cls(per_axis(factor, axes))

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(3, axes=1), (2, 4, 2)
        yield cls.create((2, 3)), (2, 3, 2, 2)

    @property
    def windows(self) -> Windows:
        return tuple(Window(1, Fraction(1, f), 0, 1 - Fraction(1, f)) for f in self.factor)

    def lengths(self, lengths: Sizes) -> Sizes:
        return tuple(n * f for n, f in zip(lengths, self.factor, strict=True))

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        self._expect(x.ndim == len(self.factor) + 2, x, f"{len(self.factor) + 2} axes")
        y = x
        for axis, factor in enumerate(self.factor, start=1):
            y = np.repeat(y, factor, axis=axis)

        def pull(dy: Array) -> tuple[Array, Upsample]:
            blocks: list[int] = []
            for length, factor in zip(x.shape[1:-1], self.factor, strict=True):
                blocks += [length, factor]
            places = tuple(range(2, 2 + 2 * len(self.factor), 2))
            return dy.reshape(x.shape[0], *blocks, x.shape[-1]).sum(axis=places), self

        return y, pull

    def tails(self, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Tails:
        if len(self.factor) != 1:
            raise StreamError(f"{self}: got {len(self.factor)} axes; only 1-D signals stream")
        return ()

    def step(self, tails: Tails, chunk: Chunk) -> tuple[Tails, Chunk]:
        (factor,) = self.factor
        return tails, Chunk(self.forward(chunk.x), chunk.before * factor, chunk.count * factor)
