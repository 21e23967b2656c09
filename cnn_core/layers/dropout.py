"""Dropout: in training some channels of some places are silenced (Srivastava et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers.checks import check_setting
from cnn_core.layers.layer import Layer, Pull


@dataclass(frozen=True, eq=False)
class Dropout(Layer):
    """Zeros with probability `rate`, the rest divided by 1 - rate; the identity in inference."""

    rate: float

    def __post_init__(self) -> None:
        check_setting("Dropout: rate", 0 <= self.rate < 1, self.rate, "0 <= rate < 1")

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(0.3), (2, 5, 3)

    def forward(self, x: Array) -> Array:
        return x

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        if rng is None:
            return x, lambda dy: (dy, self)
        kept = (rng.random(x.shape, np.float32) >= self.rate).astype(x.dtype)
        kept /= 1 - self.rate
        return x * kept, lambda dy: (dy * kept, self)
