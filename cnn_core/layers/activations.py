"""Pointwise functions: ReLU and its kin, sigmoid, tanh, and softmax over the channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from cnn_core.arrays import Array, Flags
from cnn_core.layers.checks import check_setting
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
        return y, lambda dy: (_where(y > 0, dy), self)


@dataclass(frozen=True, eq=False)
class LeakyRelu(_Pointwise):
    """x where it is positive, slope * x elsewhere, 0 <= slope <= 1 (Maas et al. 2013)."""

    slope: float = 0.01

    def __post_init__(self) -> None:
        check_setting("LeakyRelu: slope", 0 <= self.slope <= 1, self.slope, "0..1")

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield from super().examples(rng)
        yield cls(0.3), (2, 4, 3)

    def forward(self, x: Array) -> Array:
        y: Array = x * self.slope
        np.maximum(y, x, out=y)
        return y

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        positive = x > 0
        return self.forward(x), lambda dy: (_where(positive, dy, self.slope), self)


def _where(positive: Flags, dy: Array, slope: float = 0.0) -> Array:
    """`dy` at positive places, slope * dy elsewhere; without a branch for each place."""
    dx = positive.astype(dy.dtype)
    if slope:
        np.maximum(dx, slope, out=dx)
    dx *= dy
    return dx


@dataclass(frozen=True, eq=False)
class Sigmoid(_Pointwise):
    """1 / (1 + exp(-x))."""

    def forward_over(self, x: Array) -> Array:
        return _sigmoid(x, over=True)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = _sigmoid(x)

        def pull(dy: Array) -> tuple[Array, Sigmoid]:
            dx = 1 - y
            dx *= y
            dx *= dy
            return dx, self

        return y, pull


def _sigmoid(x: Array, *, over: bool = False) -> Array:
    """1 / (1 + exp(-x)), written over `x` if told; where exp is infinite it is rightly 0."""
    y = np.negative(x, out=x if over else None)
    with np.errstate(over="ignore"):
        np.exp(y, out=y)
    y += 1
    np.divide(1, y, out=y)
    return y


@dataclass(frozen=True, eq=False)
class Tanh(_Pointwise):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""

    def forward_over(self, x: Array) -> Array:
        return np.tanh(x, out=x)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = np.tanh(x)

        def pull(dy: Array) -> tuple[Array, Tanh]:
            dx = y * y
            np.subtract(1, dx, out=dx)
            dx *= dy
            return dx, self

        return y, pull


@dataclass(frozen=True, eq=False)
class Silu(_Pointwise):
    """x / (1 + exp(-x)) (Elfwing et al. 2018), which others call swish."""

    def forward(self, x: Array) -> Array:
        y = _sigmoid(x)
        y *= x
        return y

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        gate = _sigmoid(x)
        y = x * gate

        def pull(dy: Array) -> tuple[Array, Silu]:
            dx = 1 - gate
            dx *= y
            dx += gate
            dx *= dy
            return dx, self

        return y, pull


@dataclass(frozen=True, eq=False)
class Softmax(_Pointwise):
    """exp(x) over its sum along the channels."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = x - x.max(axis=-1, keepdims=True)
        np.exp(y, out=y)
        y /= _channel_sum(y)

        def pull(dy: Array) -> tuple[Array, Softmax]:
            dx = dy - _channel_sum(dy * y)
            dx *= y
            return dx, self

        return y, pull


@dataclass(frozen=True, eq=False)
class LogSoftmax(_Pointwise):
    """x - log(sum of exp(x) along the channels), finite where a softmax would round to 0."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = x - x.max(axis=-1, keepdims=True)
        y -= np.log(_channel_sum(np.exp(y)))

        def pull(dy: Array) -> tuple[Array, LogSoftmax]:
            dx = np.exp(y)
            dx *= _channel_sum(dy)
            return np.subtract(dy, dx, out=dx), self

        return y, pull


def _channel_sum(x: Array) -> Array:
    """(..., C) -> (..., 1), as a product with ones: much faster than a reduction of short rows."""
    return (x @ np.ones(x.shape[-1], x.dtype))[..., None]
