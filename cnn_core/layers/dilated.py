"""Any layer with holes: on every `dilation`-th place, for each phase of the signal.

The phases are the fragments of Giusti et al. 2013 (fast scanning with max-pooling networks); put
back between each other they are what a dilated layer gives (Li et al. 2014).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.geometry import Window, Windows
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.patches import Sizes
from cnn_core.layers.pooling import MeanPool


@dataclass(frozen=True, eq=False)
class Dilated(Layer):
    """(N, *in, C) -> (N, *out, D): a layer of valid windows at stride 1, its places spread."""

    inner: Layer
    dilation: Sizes

    def __post_init__(self) -> None:
        windows = self.inner.windows
        if len(windows) != len(self.dilation) or min(self.dilation, default=0) < 1:
            raise GeometryError(
                f"Dilated: got dilation {self.dilation} for {self.inner} of {len(windows)} axes; "
                "expected a number >= 1 for each"
            )
        lengths = tuple(int(window.size) for window in windows)
        valid = all(window == Window(window.size) for window in windows)
        if not valid or self.inner.lengths(lengths) != (1,) * len(windows):
            raise GeometryError(
                f"Dilated: got {self.inner} with {windows}; expected valid windows at stride 1"
            )

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(MeanPool.create(2, stride=1), (3,)), (2, 10, 2)
        yield cls(MeanPool.create((2, 3), stride=1, axes=2), (2, 1)), (2, 5, 6, 2)

    @property
    def windows(self) -> Windows:
        pairs = zip(self.inner.windows, self.dilation, strict=True)
        return tuple(Window(d * (w.size - 1) + 1) for w, d in pairs)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        channels = self.inner.output_shape(shape)[-1]
        return (shape[0], *self.lengths(shape[1:-1]), channels)

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        # Of each phase as long as it is: what fills up the last ones multiplies nothing.
        return sum(
            self.inner.multiply_adds((shape[0], *lengths, shape[-1]))
            for lengths in product(*map(_phase_lengths, shape[1:-1], self.dilation))
        )

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        self._check(x)
        y, pull = self.inner.vjp(self._phases(x), rng)
        counts = self.lengths(x.shape[1:-1])

        def pull_phases(dy: Array) -> tuple[Array, Dilated]:
            dx, gradient = pull(self._phases(dy, y.shape[1:-1]))
            return self._together(dx, x.shape[1:-1]), Dilated(gradient, self.dilation)

        return self._together(y, counts), pull_phases

    def forward(self, x: Array) -> Array:
        self._check(x)
        y = self.inner.forward(self._phases(x))
        return self._together(y, self.lengths(x.shape[1:-1]))

    def _check(self, x: Array) -> None:
        axes = len(self.dilation) + 2
        self._expect(x.ndim == axes, x, f"{axes} axes")

    def _fewer(self, lengths: Sizes) -> Sizes:
        """Places of one phase, the last one filled up."""
        return tuple(-(-n // d) for n, d in zip(lengths, self.dilation, strict=True))

    def _phases(self, x: Array, places: Sizes | None = None) -> Array:
        """Every phase a sample of the batch: (phases * N, *places, C), zeros behind the end."""
        places = places or self._fewer(x.shape[1:-1])
        full = tuple(n * d for n, d in zip(places, self.dilation, strict=True))
        if full != x.shape[1:-1]:
            filled = np.zeros((x.shape[0], *full, x.shape[-1]), x.dtype)
            filled[(slice(None), *map(slice, x.shape[1:-1]))] = x
            x = filled
        axes = len(places)
        split: list[int] = []
        for n, d in zip(places, self.dilation, strict=True):
            split += [n, d]
        order = (*range(2, 2 + 2 * axes, 2), 0, *range(1, 1 + 2 * axes, 2), 1 + 2 * axes)
        apart = x.reshape(x.shape[0], *split, x.shape[-1]).transpose(order)
        return apart.reshape(prod(self.dilation) * x.shape[0], *places, x.shape[-1])

    def _together(self, phases: Array, lengths: Sizes) -> Array:
        """The transpose of `_phases`: places between each other again, what was filled cut off."""
        axes, places = len(lengths), phases.shape[1:-1]
        batch = len(phases) // prod(self.dilation)
        apart = phases.reshape(*self.dilation, batch, *places, phases.shape[-1])
        order = [axes]
        for axis in range(axes):
            order += [axes + 1 + axis, axis]
        joined = apart.transpose((*order, 1 + 2 * axes))
        full = tuple(n * d for n, d in zip(places, self.dilation, strict=True))
        whole = joined.reshape(batch, *full, phases.shape[-1])
        return np.ascontiguousarray(whole[(slice(None), *map(slice, lengths))])

    def __str__(self) -> str:
        return f"Dilated({self.inner}, {'x'.join(map(str, self.dilation))})"


def _phase_lengths(length: int, dilation: int) -> list[int]:
    return [len(range(first, length, dilation)) for first in range(dilation)]
