"""Embedding: a learned row of numbers for every word of a vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import csr_array

from cnn_core.arrays import Array, Integers
from cnn_core.errors import GeometryError, ShapeError
from cnn_core.init import Initialiser, normal
from cnn_core.layers.checks import check_shape
from cnn_core.layers.layer import Layer, Pull


@dataclass(frozen=True, eq=False)
class Embedding(Layer):
    """Rows of `weight` (vocabulary, C), by the numbers of words: integers (N, T) -> (N, T, C).

    Words have no slope: the gradient of the input is zeros.
    """

    computes: ClassVar[bool] = False

    weight: Array

    def __post_init__(self) -> None:
        check_shape("Embedding: weight", self.weight, ("words", "C"))

    @classmethod
    def create(
        cls,
        rng: np.random.Generator,
        vocabulary: int,
        channels: int,
        *,
        initialiser: Initialiser = normal,
    ) -> Self:
        """Rows of normal numbers with variance 1, unless told otherwise, for words 0 to
        vocabulary - 1."""
        if vocabulary < 1 or channels < 1:
            raise GeometryError(
                f"Embedding.create: got a vocabulary of {vocabulary} and {channels} channels; "
                "expected >= 1"
            )
        return cls(initialiser(rng, (vocabulary, channels), 1, channels))

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(rng, 6, 3), (2, 5)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 2:
            raise ShapeError(f"{self}: got an input of shape {shape}; expected (N, T)")
        return (*shape, self.weight.shape[-1])

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        words = self._checked(x)

        def pull(dy: Array) -> tuple[Array, Embedding]:
            return np.zeros(x.shape, dy.dtype), Embedding(self._gather(words, dy))

        return np.take(self.weight, words, axis=0, mode="clip"), pull

    def _checked(self, x: Array) -> Integers:
        vocabulary = len(self.weight)
        if not np.issubdtype(x.dtype, np.integer) or x.ndim != 2:
            raise ShapeError(
                f"{self}: got an input of shape {x.shape} and type {x.dtype}; "
                "expected integers (N, T)"
            )
        if x.size and not 0 <= x.min() <= x.max() < vocabulary:
            raise ShapeError(
                f"{self}: got words from {x.min()} to {x.max()}; expected 0 to {vocabulary - 1}"
            )
        return x.astype(np.intp, copy=False)

    def _gather(self, words: Integers, dy: Array) -> Array:
        """Each dy added to the row of its word, as a product with a sparse matrix of ones."""
        rows = dy.reshape(-1, dy.shape[-1])
        ones = np.ones(len(rows), dy.dtype)
        shape = (len(rows), len(self.weight))
        chosen = csr_array((ones, words.reshape(-1), np.arange(len(rows) + 1)), shape=shape)
        return np.asarray(chosen.T @ rows)

    def __str__(self) -> str:
        return f"Embedding({self.weight.shape[0]} words -> {self.weight.shape[1]})"
