"""Downsampling: of every S places the first stays, S - 1 are dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError
from cnn_core.geometry import Window, Windows
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.patches import Sizes, axes_of, per_axis


@dataclass(frozen=True, eq=False)
class Downsample(Layer):
    """Every `factor`-th place, from the first on: (N, *in, C) -> (N, *ceil(in / factor), C).

    A convolution with a stride is the one without, followed by this.
    """

    factor: Sizes

    def __post_init__(self) -> None:
        where = "Downsample: factor"
        per_axis(self.factor, axes_of(self.factor, where), where)

    @classmethod
    def create(cls, factor: int | Sizes, *, axes: int = 2) -> Self:
        """One factor an axis, or one for all. Raises GeometryError for factors below 1."""
        return cls(per_axis(factor, axes, "Downsample.create: factor"))

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(3, axes=1), (2, 8, 2)
        yield cls.create((2, 3)), (2, 5, 6, 2)
        yield cls.create((1, 2, 2), axes=3), (1, 2, 3, 4, 2)

    @property
    def windows(self) -> Windows:
        return tuple(Window(1, f) for f in self.factor)

    def lengths(self, lengths: Sizes) -> Sizes:
        if len(lengths) != len(self.factor):
            raise ShapeError(f"{self}: got lengths {lengths}; expected {len(self.factor)} axes")
        return super().lengths(lengths)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        self._expect(x.ndim == len(self.factor) + 2, x, f"{len(self.factor) + 2} axes")
        kept = (slice(None), *(slice(None, None, f) for f in self.factor))

        def pull(dy: Array) -> tuple[Array, Downsample]:
            dx = np.zeros(x.shape, dy.dtype)
            dx[kept] = dy
            return dx, self

        return x[kept], pull
