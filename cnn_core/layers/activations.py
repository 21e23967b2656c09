"""Pointwise functions: ReLU and its kin, sigmoid, tanh, and softmax over the channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit, log_softmax, softmax

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.layers.layer import Layer, Pull


class _Pointwise(Layer, abstract=True):
    """A layer without parameters that works on any number of axes."""

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(), (2, 5, 3)
        yield cls(), (2, 4, 3, 2)
        yield cls(), (3, 4)


@dataclass(frozen=True, eq=False)
class Relu(_Pointwise):
    """max(x, 0)."""

    def forward(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def forward_over(self, x: Array) -> Array:
        return np.maximum(x, 0, out=x)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = np.maximum(x, 0)
        return y, lambda dy: (dy * (y > 0), self)


@dataclass(frozen=True, eq=False)
class LeakyRelu(_Pointwise):
    """x where it is positive, slope * x elsewhere, 0 <= slope <= 1 (Maas et al. 2013)."""

    slope: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.slope <= 1:
            raise GeometryError(f"LeakyRelu: slope: got {self.slope}; expected 0 to 1")

    def forward(self, x: Array) -> Array:
        y: Array = x * self.slope
        np.maximum(y, x, out=y)
        return y

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        positive = x > 0

        def pull(dy: Array) -> tuple[Array, LeakyRelu]:
            return np.where(positive, dy, dy * self.slope), self

        return self.forward(x), pull


@dataclass(frozen=True, eq=False)
class Sigmoid(_Pointwise):
    """1 / (1 + exp(-x))."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = expit(x)
        return y, lambda dy: (dy * y * (1 - y), self)


@dataclass(frozen=True, eq=False)
class Tanh(_Pointwise):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = np.tanh(x)
        return y, lambda dy: (dy * (1 - y * y), self)


@dataclass(frozen=True, eq=False)
class Silu(_Pointwise):
    """x / (1 + exp(-x)) (Elfwing et al. 2018), which others call swish."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        gate = expit(x)
        y = x * gate
        return y, lambda dy: (dy * (gate + y * (1 - gate)), self)


@dataclass(frozen=True, eq=False)
class Softmax(_Pointwise):
    """exp(x) over its sum along the channels."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = softmax(x, axis=-1)

        def pull(dy: Array) -> tuple[Array, Softmax]:
            return y * (dy - (dy * y).sum(axis=-1, keepdims=True)), self

        return y, pull


@dataclass(frozen=True, eq=False)
class LogSoftmax(_Pointwise):
    """x - log(sum of exp(x) along the channels), finite where a softmax would round to 0."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = log_softmax(x, axis=-1)

        def pull(dy: Array) -> tuple[Array, LogSoftmax]:
            return dy - np.exp(y) * dy.sum(axis=-1, keepdims=True), self

        return y, pull
