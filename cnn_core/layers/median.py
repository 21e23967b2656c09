"""Median pooling: the middle value of every window, which no single outlier can move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.geometry import Windows, conv_window
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.patches import Sizes, axes_of, fold, per_axis, unfold


@dataclass(frozen=True, eq=False)
class MedianPool(Layer):
    """The median of blocks of `kernel`, `stride` apart: (N, *in, C) -> (N, *out, C).

    Of an even block it is the mean of the two in the middle. The gradient goes to those it is.
    """

    kernel: Sizes
    stride: Sizes

    def __post_init__(self) -> None:
        axes = max(1, axes_of(self.kernel, "MedianPool: kernel"))
        per_axis(self.kernel, axes, "MedianPool: kernel")
        per_axis(self.stride, axes, "MedianPool: stride")

    @classmethod
    def create(
        cls, kernel: int | Sizes, *, stride: int | Sizes | None = None, axes: int = 1
    ) -> Self:
        """Blocks side by side, unless a stride is given."""
        sizes = per_axis(kernel, axes, "MedianPool: kernel")
        apart = sizes if stride is None else per_axis(stride, axes, "MedianPool: stride")
        return cls(sizes, apart)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(3, stride=1), (2, 8, 2)
        yield cls.create(4, stride=3), (2, 11, 2)
        yield cls.create((3, 2), stride=(2, 1), axes=2), (2, 7, 5, 2)

    @property
    def windows(self) -> Windows:
        return tuple(conv_window(k, s) for k, s in zip(self.kernel, self.stride, strict=True))

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        axes = len(self.kernel)
        self._expect(x.ndim == axes + 2, x, f"{axes + 2} axes")
        views = unfold(x, self.kernel, self.stride, (1,) * axes)
        blocks = views.reshape(*views.shape[: 1 + axes], prod(self.kernel), x.shape[-1])
        size = blocks.shape[-2]
        middle = np.argsort(blocks, axis=-2, kind="stable")[..., (size - 1) // 2 : size // 2 + 1, :]

        def pull(dy: Array) -> tuple[Array, MedianPool]:
            spread = np.zeros(blocks.shape, dy.dtype)
            np.put_along_axis(spread, middle, dy[..., None, :] / middle.shape[-2], axis=-2)
            shape = (*views.shape[: 1 + axes], *self.kernel, x.shape[-1])
            return fold(spread.reshape(shape), x.shape[1:-1], self.stride, (1,) * axes), self

        return np.take_along_axis(blocks, middle, axis=-2).mean(axis=-2), pull
