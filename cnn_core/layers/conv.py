"""Convolution in one and two dimensions: one dense network applied to every window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.geometry import Windows, conv_window
from cnn_core.init import Initialiser, he
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.patches import (
    Padding,
    Sizes,
    fold,
    output_lengths,
    pad,
    paddings,
    per_axis,
    unfold,
    unpad,
)


@dataclass(frozen=True, eq=False)
class Conv(Layer, abstract=True):
    """Cross-correlation with shared weights: (N, *in, C) -> (N, *out, D).

    `weight` is (*kernel, C, D), `bias` (D,) or None. Every window becomes a row, so that all
    windows of a batch are one product of matrices.
    """

    axes: ClassVar[int] = 0

    weight: Array
    bias: Array | None
    stride: Sizes
    dilation: Sizes
    padding: Padding

    @classmethod
    def create(
        cls,
        rng: np.random.Generator,
        channels_in: int,
        channels_out: int,
        kernel: int | Sizes,
        *,
        stride: int | Sizes = 1,
        dilation: int | Sizes = 1,
        padding: str | int | Padding = "valid",
        bias: bool = True,
        initialiser: Initialiser = he,
    ) -> Self:
        """A layer with He-initialised weights, unless told otherwise, and zero bias."""
        kernel, dilation = per_axis(kernel, cls.axes), per_axis(dilation, cls.axes)
        places, shape = prod(kernel), (*kernel, channels_in, channels_out)
        return cls(
            weight=initialiser(rng, shape, places * channels_in, places * channels_out),
            bias=np.zeros(channels_out, np.float32) if bias else None,
            stride=per_axis(stride, cls.axes),
            dilation=dilation,
            padding=paddings(padding, kernel, dilation),
        )

    @property
    def kernel(self) -> Sizes:
        return self.weight.shape[: self.axes]

    @property
    def windows(self) -> Windows:
        settings = zip(self.kernel, self.stride, self.dilation, self.padding, strict=True)
        return tuple(conv_window(k, s, d, before) for k, s, d, (before, _) in settings)

    def lengths(self, lengths: Sizes) -> Sizes:
        padded = tuple(n + sum(p) for n, p in zip(lengths, self.padding, strict=True))
        return output_lengths(padded, self.kernel, self.stride, self.dilation)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], *self.lengths(shape[1:-1]), self.weight.shape[-1])

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        return shape[0] * prod(self.lengths(shape[1:-1])) * self.weight.size

    def forward(self, x: Array) -> Array:
        rows, counts = self._rows(x)
        return self._product(rows, x.shape[0], counts)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y, pull_weights = self.vjp_weights(x, rng)
        lengths = x.shape[1:-1]
        return y, lambda dy: (self._pull_input(dy, lengths), pull_weights(dy))

    def vjp_weights(
        self, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, Callable[[Array], Conv]]:
        rows, counts = self._rows(x)

        def pull(dy: Array) -> Conv:
            dy_rows = np.ascontiguousarray(dy).reshape(-1, dy.shape[-1])
            return type(self)(
                weight=(rows.T @ dy_rows).reshape(self.weight.shape),
                bias=None if self.bias is None else dy_rows.sum(axis=0),
                stride=self.stride,
                dilation=self.dilation,
                padding=self.padding,
            )

        return self._product(rows, x.shape[0], counts), pull

    def _rows(self, x: Array) -> tuple[Array, Sizes]:
        """The windows as rows of one matrix: (N * windows, kernel * C)."""
        channels = self.weight.shape[-2]
        self._expect(
            x.ndim == self.axes + 2 and x.shape[-1] == channels,
            x,
            f"{self.axes + 2} axes with {channels} channels last",
        )
        windows = unfold(pad(x, self.padding), self.kernel, self.stride, self.dilation)
        counts = windows.shape[1 : 1 + self.axes]
        return windows.reshape(-1, prod(self.kernel) * channels), counts

    def _product(self, rows: Array, batch: int, counts: Sizes) -> Array:
        y = rows @ self.weight.reshape(-1, self.weight.shape[-1])
        if self.bias is not None:
            y += self.bias
        return y.reshape(batch, *counts, y.shape[-1])

    def _pull_input(self, dy: Array, lengths: Sizes) -> Array:
        """dx: each dy spread over its window with the weights, overlaps added."""
        if dy.size == 0:
            return np.zeros((dy.shape[0], *lengths, self.weight.shape[-2]), dy.dtype)
        if all(s == 1 for s in self.stride):
            return self._correlate_flipped(dy, lengths)
        rows = dy.reshape(-1, dy.shape[-1]) @ self.weight.reshape(-1, dy.shape[-1]).T
        windows = rows.reshape(*dy.shape[:-1], *self.kernel, -1)
        padded = tuple(n + sum(p) for n, p in zip(lengths, self.padding, strict=True))
        return unpad(fold(windows, padded, self.stride, self.dilation), self.padding)

    def _correlate_flipped(self, dy: Array, lengths: Sizes) -> Array:
        """At stride 1 spreading is a convolution with the filters flipped: one product again."""
        reaches = [d * (k - 1) for k, d in zip(self.kernel, self.dilation, strict=True)]
        outer = tuple((r - b, r - a) for r, (b, a) in zip(reaches, self.padding, strict=True))
        if any(side < 0 for sides in outer for side in sides):
            outer = tuple((r, r) for r in reaches)
            crop = self.padding
        else:
            crop = ((0, 0),) * self.axes
        flipped = np.flip(self.weight, axis=tuple(range(self.axes))).swapaxes(-1, -2)
        windows = unfold(pad(dy, outer), self.kernel, (1,) * self.axes, self.dilation)
        counts = windows.shape[1 : 1 + self.axes]
        rows = windows.reshape(-1, prod(self.kernel) * dy.shape[-1])
        dx = rows @ flipped.reshape(rows.shape[-1], -1)
        return unpad(dx.reshape(dy.shape[0], *counts, -1), crop)

    def __str__(self) -> str:
        *kernel, channels_in, channels_out = self.weight.shape
        size = "x".join(map(str, kernel))
        return f"{type(self).__name__}({channels_in} -> {channels_out}, kernel {size})"


@dataclass(frozen=True, eq=False)
class Conv1d(Conv):
    """Convolution over time: (N, T, C) -> (N, T', D)."""

    axes: ClassVar[int] = 1

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        for kernel, stride, dilation, length in (
            (1, 1, 1, 7), (3, 1, 1, 9), (5, 3, 1, 23), (3, 2, 2, 16), (1, 2, 1, 8), (2, 1, 3, 11),
        ):  # fmt: skip
            layer = cls.create(rng, 3, 4, kernel, stride=stride, dilation=dilation)
            yield layer, (2, length, 3)
        yield cls.create(rng, 2, 3, 4, padding="same", bias=False), (2, 9, 2)


@dataclass(frozen=True, eq=False)
class Conv2d(Conv):
    """Convolution over a picture: (N, H, W, C) -> (N, H', W', D)."""

    axes: ClassVar[int] = 2

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(rng, 3, 4, 3), (2, 6, 7, 3)
        yield cls.create(rng, 3, 4, 1, bias=False), (2, 4, 5, 3)
        yield cls.create(rng, 2, 3, (2, 3), stride=(2, 1), dilation=(1, 2)), (2, 7, 8, 2)
        yield cls.create(rng, 2, 3, 3, stride=2, padding="same"), (2, 6, 9, 2)
        yield cls.create(rng, 2, 3, 3, padding="same"), (1, 5, 4, 2)
        yield cls.create(rng, 2, 3, 3, padding=3), (1, 4, 4, 2)
