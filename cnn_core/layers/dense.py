"""Dense layers, and flattening, which makes one place of a whole signal for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.geometry import Windows
from cnn_core.init import Initialiser, he
from cnn_core.layers.checks import check_setting, check_shape
from cnn_core.layers.layer import Layer, Pull
from cnn_core.tree import OFFSET


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """x @ weight + bias on the last axis: (..., C) -> (..., D); on a signal a convolution of 1.

    `weight` is (C, D), `bias` (D,) or None.
    """

    weight: Array
    bias: Array | None = field(metadata=OFFSET)

    def __post_init__(self) -> None:
        check_shape("Dense: weight", self.weight, ("C", "D"))
        if self.bias is not None:
            check_shape("Dense: bias", self.bias, self.weight.shape[1:])

    @classmethod
    def create(
        cls,
        rng: np.random.Generator,
        channels_in: int,
        channels_out: int,
        *,
        bias: bool = True,
        initialiser: Initialiser = he,
    ) -> Self:
        """He-initialised weights, unless told otherwise, and zero bias.

        Raises GeometryError for fewer than one channel.
        """
        check_setting("Dense.create: channels_in", channels_in >= 1, channels_in, "1 or more")
        check_setting("Dense.create: channels_out", channels_out >= 1, channels_out, "1 or more")
        weight = initialiser(rng, (channels_in, channels_out), channels_in, channels_out)
        return cls(weight, np.zeros(channels_out, np.float32) if bias else None)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(rng, 3, 4), (2, 5, 3)
        yield cls.create(rng, 2, 3), (2, 3, 4, 2)
        yield cls.create(rng, 6, 1), (5, 6)
        yield cls.create(rng, 3, 2, bias=False), (2, 4, 3)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._expect_channels(shape, len(self.weight))
        return (*shape[:-1], self.weight.shape[-1])

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        return prod(shape[:-1]) * self.weight.size

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        channels_in, channels_out = self.weight.shape
        self._expect_channels(x.shape, channels_in)

        y = x @ self.weight
        if self.bias is not None:
            y += self.bias

        def pull(dy: Array) -> tuple[Array, Dense]:
            rows = dy.reshape(-1, channels_out)
            bias = None if self.bias is None else rows.sum(axis=0)
            return dy @ self.weight.T, Dense(x.reshape(-1, channels_in).T @ rows, bias)

        return y, pull


@dataclass(frozen=True, eq=False)
class Flatten(Layer):
    """Everything but the batch in one axis: (N, ..., C) -> (N, all)."""

    computes: ClassVar[bool] = False

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(), (2, 3, 4, 2)

    @property
    def windows(self) -> Windows:
        raise GeometryError(
            "Flatten: joins all places of a signal of one fixed size, so it cannot be swept; "
            "use a convolution whose kernel is the window instead"
        )

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], prod(shape[1:]))

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        return x.reshape(self.output_shape(x.shape)), lambda dy: (dy.reshape(x.shape), self)
