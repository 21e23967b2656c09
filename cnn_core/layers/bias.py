"""A number added to each channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers.checks import check_shape
from cnn_core.layers.layer import Layer, Pull
from cnn_core.tree import OFFSET


@dataclass(frozen=True, eq=False)
class Bias(Layer):
    """x + bias on the last axis: (..., C) -> (..., C); after `Flatten` one number a place."""

    bias: Array = field(metadata=OFFSET)

    def __post_init__(self) -> None:
        check_shape("Bias: bias", self.bias, ("C",))

    @classmethod
    def create(cls, channels: int) -> Self:
        """Nothing is added yet."""
        return cls(np.zeros(channels, np.float32))

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(rng.standard_normal(3).astype(np.float32)), (2, 5, 3)
        yield cls(rng.standard_normal(2).astype(np.float32)), (2, 3, 4, 2)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._expect_channels(shape, len(self.bias))
        return shape

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        channels = len(self.bias)
        self._expect_channels(x.shape, channels)
        return x + self.bias, lambda dy: (dy, Bias(dy.reshape(-1, channels).sum(axis=0)))
