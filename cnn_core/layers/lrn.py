"""Local response normalisation: strong answers weaken those of the channels beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.layers.layer import Layer, Pull


@dataclass(frozen=True, eq=False)
class LocalResponseNorm(Layer):
    """x / (k + alpha * sum of squares over `size` channels around)^beta (Krizhevsky et al. 2012).

    (..., C) -> (..., C). At the first and last channels the sum has fewer terms. PyTorch and ONNX
    divide alpha by the size: theirs is `alpha * size` here, and their k is 1 unless told.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __post_init__(self) -> None:
        if self.size < 1 or self.size % 2 == 0:
            raise GeometryError(f"{self}: size: got {self.size}; expected an odd number >= 1")
        if not (0 <= self.alpha < inf and 0 < self.k < inf and isfinite(self.beta)):
            raise GeometryError(
                f"{self}: got alpha {self.alpha}, beta {self.beta} and k {self.k}; "
                "expected finite numbers, alpha >= 0, k > 0"
            )

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(), (2, 5, 7)
        yield cls(size=3, alpha=0.5, beta=1.5, k=1.0), (2, 3, 4, 5)
        yield cls(size=7, alpha=0.2), (2, 4, 2)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        base = self._around(x * x)
        base *= self.alpha
        base += self.k
        # exp and log of single precision are vectorised where powers are not.
        factor = np.log(base)
        factor *= -self.beta
        np.exp(factor, out=factor)

        def pull(dy: Array) -> tuple[Array, LocalResponseNorm]:
            shared = self._around(dy * x * factor / base)
            shared *= x
            shared *= -2 * self.alpha * self.beta
            shared += dy * factor
            return shared, self

        return x * factor, pull

    def _around(self, values: Array) -> Array:
        """For each channel the sum over the `size` channels centred at it."""
        total = values.copy()
        for away in range(1, min(self.size // 2, values.shape[-1] - 1) + 1):
            total[..., away:] += values[..., :-away]
            total[..., :-away] += values[..., away:]
        return total
