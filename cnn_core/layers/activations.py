"""Pointwise functions: ReLU, sigmoid, and softmax over the channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit, softmax

from cnn_core.arrays import Array
from cnn_core.layers.layer import Layer, Pull


class _Pointwise(Layer, abstract=True):
    """A layer without parameters that works on any number of axes."""

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(), (2, 5, 3)
        yield cls(), (2, 4, 3, 2)


@dataclass(frozen=True, eq=False)
class Relu(_Pointwise):
    """max(x, 0)."""

    def forward(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = np.maximum(x, 0)
        return y, lambda dy: (dy * (y > 0), self)


@dataclass(frozen=True, eq=False)
class Sigmoid(_Pointwise):
    """1 / (1 + exp(-x))."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = expit(x)
        return y, lambda dy: (dy * y * (1 - y), self)


@dataclass(frozen=True, eq=False)
class Softmax(_Pointwise):
    """exp(x) over its sum along the channels."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y = softmax(x, axis=-1)

        def pull(dy: Array) -> tuple[Array, Softmax]:
            return y * (dy - (dy * y).sum(axis=-1, keepdims=True)), self

        return y, pull
