"""Pooling over everything: one number a channel for a whole signal or picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError, ShapeError
from cnn_core.geometry import Windows
from cnn_core.layers.layer import Layer, Pull


@dataclass(frozen=True, eq=False)
class GlobalPool(Layer, abstract=True):
    """All places of a signal of any size to one: (N, *in, C) -> (N, C)."""

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(), (2, 5, 3)
        yield cls(), (3, 4, 3, 2)
        yield cls(), (2, 2, 3, 2, 1)

    @property
    def windows(self) -> Windows:
        name = type(self).__name__
        raise GeometryError(
            f"{name}: joins all places of a signal, so it cannot be swept; use "
            f"{name.removeprefix('Global')} whose kernel is the window instead"
        )

    def lengths(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        return ()

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) < 3:
            raise ShapeError(f"{self}: got an input of shape {shape}; expected (N, *in, C)")
        return (shape[0], shape[-1])

    def _rows(self, x: Array) -> Array:
        """(N, places, C), if there is any place."""
        self._expect(
            x.ndim > 2 and 0 not in x.shape[1:-1],
            x,
            "(N, *in, C) with at least one place",
        )
        return x.reshape(x.shape[0], prod(x.shape[1:-1]), x.shape[-1])


@dataclass(frozen=True, eq=False)
class GlobalMaxPool(GlobalPool):
    """The largest of all places; its gradient goes to the first place of the maximum."""

    def forward(self, x: Array) -> Array:
        largest: Array = self._rows(x).max(axis=1)
        return largest

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        rows = self._rows(x)
        place = rows.argmax(axis=1)[:, None]

        def pull(dy: Array) -> tuple[Array, GlobalMaxPool]:
            dx = np.zeros(rows.shape, dy.dtype)
            np.put_along_axis(dx, place, dy[:, None], axis=1)
            return dx.reshape(x.shape), self

        return np.take_along_axis(rows, place, axis=1)[:, 0], pull


@dataclass(frozen=True, eq=False)
class GlobalMeanPool(GlobalPool):
    """The mean over all places."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        rows = self._rows(x)
        count = rows.shape[1]
        # A product with ones sums in blocks: faster than a reduction, and with smaller errors.
        mean = np.ones(count, x.dtype) @ rows / count

        def pull(dy: Array) -> tuple[Array, GlobalMeanPool]:
            dx = np.broadcast_to((dy / count)[:, None], rows.shape)
            return dx.reshape(x.shape), self

        return mean, pull
