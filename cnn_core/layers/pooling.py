"""Pooling: one number a channel for every window, its maximum or its mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.geometry import Windows, conv_window
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.patches import Sizes, fold, per_axis, unfold


@dataclass(frozen=True, eq=False)
class Pool(Layer, abstract=True):
    """Blocks of `kernel`, `stride` apart: (N, *in, C) -> (N, *out, C)."""

    kernel: Sizes
    stride: Sizes

    @classmethod
    def create(
        cls, kernel: int | Sizes, *, stride: int | Sizes | None = None, axes: int = 1
    ) -> Self:
        """Blocks side by side, unless a stride is given."""
        kernel = per_axis(kernel, axes)
        return cls(kernel, kernel if stride is None else per_axis(stride, axes))

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(2), (2, 7, 3)
        yield cls.create(3, stride=1), (2, 8, 2)
        yield cls.create(1, stride=3), (2, 8, 2)
        yield cls.create(2, axes=2), (2, 5, 6, 2)
        yield cls.create((3, 2), stride=(2, 1), axes=2), (2, 7, 5, 2)

    @property
    def windows(self) -> Windows:
        return tuple(conv_window(k, s) for k, s in zip(self.kernel, self.stride, strict=True))

    def _blocks(self, x: Array) -> Array:
        """(N, *out, places of the kernel, C)."""
        axes = len(self.kernel)
        self._expect(x.ndim == axes + 2, x, f"{axes + 2} axes")
        windows = unfold(x, self.kernel, self.stride, (1,) * axes)
        return windows.reshape(*windows.shape[: 1 + axes], prod(self.kernel), x.shape[-1])

    def _unblock(self, blocks: Array, lengths: Sizes) -> Array:
        counts, channels = blocks.shape[:-2], blocks.shape[-1]
        windows = blocks.reshape(*counts, *self.kernel, channels)
        return fold(windows, lengths, self.stride, (1,) * len(self.kernel))


@dataclass(frozen=True, eq=False)
class MaxPool(Pool):
    """The largest of each block; its gradient goes to the (first) place of the maximum."""

    def forward(self, x: Array) -> Array:
        largest: Array = self._blocks(x).max(axis=-2)
        return largest

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        blocks = self._blocks(x)
        largest = blocks.argmax(axis=-2)[..., None, :]

        def pull(dy: Array) -> tuple[Array, MaxPool]:
            spread = np.zeros(blocks.shape, dy.dtype)
            np.put_along_axis(spread, largest, dy[..., None, :], axis=-2)
            return self._unblock(spread, x.shape[1:-1]), self

        return np.take_along_axis(blocks, largest, axis=-2)[..., 0, :], pull


@dataclass(frozen=True, eq=False)
class MeanPool(Pool):
    """The mean of each block."""

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        blocks = self._blocks(x)

        def pull(dy: Array) -> tuple[Array, MeanPool]:
            share = np.broadcast_to(dy[..., None, :] / blocks.shape[-2], blocks.shape)
            return self._unblock(share, x.shape[1:-1]), self

        return blocks.mean(axis=-2), pull
