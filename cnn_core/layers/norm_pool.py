"""Pooling by a p-norm: between the mean of a block (p = 1) and its maximum (p to infinity)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, prod
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.layers.blocks import reduce_blocks
from cnn_core.layers.layer import Pull
from cnn_core.layers.patches import Padding, Sizes
from cnn_core.layers.pooling import PlainPool, block_geometry


@dataclass(frozen=True, eq=False)
class NormPool(PlainPool):
    """(mean of |x|^p over the block)^(1/p), p >= 1; padding counts as zero, and is counted.

    The block [[1, 1], [5, 6]] with p = 5 gives 4.865. PyTorch's LPPool takes the sum instead of
    the mean. Where a whole block is zero the gradient is taken as zero.
    """

    p: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isfinite(self.p) and self.p >= 1):
            raise GeometryError(
                f"{self}: p: got {self.p}; expected a finite number >= 1 "
                "(for the maximum use MaxPool)"
            )

    @classmethod
    def create(
        cls,
        kernel: int | Sizes,
        p: float = 2.0,
        *,
        stride: int | Sizes | None = None,
        padding: str | int | Padding = "valid",
        axes: int = 1,
    ) -> Self:
        """Blocks side by side, unless a stride is given; `padding` as a convolution's.

        Raises GeometryError for settings that cannot be.
        """
        return cls(*block_geometry(cls.__name__, kernel, stride, padding, axes), p)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield from super().examples(rng)
        yield cls.create(3, 5.0, stride=2, padding=1), (2, 8, 2)
        yield cls.create(2, 1.0, axes=2), (2, 5, 4, 2)
        yield cls.create((2, 3), 40.5, stride=1, axes=2), (1, 4, 5, 2)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        met, size, share = self._met(x), np.abs(x), 1 / prod(self.kernel)
        # Relative to the block's largest no power overflows, whatever p.
        largest = reduce_blocks(size, met, np.maximum, 0.0)
        scale = _divisor(largest)
        y = np.zeros_like(largest)
        for _, outputs, inputs in met.places(x):
            y[outputs] += (size[inputs] / scale[outputs]) ** self.p
        y *= share
        y **= 1 / self.p
        y *= largest

        def pull(dy: Array) -> tuple[Array, NormPool]:
            norm, dx = _divisor(y), np.zeros(x.shape, dy.dtype)
            for _, outputs, inputs in met.places(x):
                slope = (size[inputs] / norm[outputs]) ** (self.p - 1)
                slope *= dy[outputs]
                dx[inputs] += slope
            dx *= share * np.sign(x)
            return dx, self

        return y, pull


def _divisor(sizes: Array) -> Array:
    """The sizes, with 1 in the place of 0."""
    return np.where(sizes > 0, sizes, sizes.dtype.type(1))
