"""Convolution in one, two and three dimensions: one dense network applied to every window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import ClassVar, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError, ShapeError
from cnn_core.geometry import Windows, conv_window
from cnn_core.init import Initialiser, he
from cnn_core.layers.checks import check_shape
from cnn_core.layers.chunks import Chunk, Count
from cnn_core.layers.correlation import correlate, flipped, spread, weight_gradient
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.patches import (
    Padding,
    Sizes,
    output_lengths,
    pad,
    paddings,
    per_axis,
    unfold,
    unpad,
)
from cnn_core.layers.tail import Tail
from cnn_core.tree import OFFSET

MOST_AT_ONCE = 1 << 19
"""Numbers of a stream's windows that are one product of matrices: they fit into the cache."""


@dataclass(frozen=True, eq=False)
class Conv(Layer, abstract=True):
    """Cross-correlation with shared weights: (N, *in, C) -> (N, *out, D).

    `weight` is (*kernel, C / groups, D), `bias` (D,) or None. With groups the input channels are
    cut into equal parts, and each part of the output channels sees its own part of the input
    (Krizhevsky et al. 2012); with as many groups as input channels the layer is depth-wise.
    """

    axes: ClassVar[int] = 0

    weight: Array
    bias: Array | None = field(metadata=OFFSET)
    stride: Sizes
    dilation: Sizes
    padding: Padding
    groups: int = 1

    def __post_init__(self) -> None:
        kernel, channels_out = self.weight.shape[:-2], self.weight.shape[-1]
        if len(kernel) != self.axes:
            raise ShapeError(
                f"{type(self).__name__}: weight: got shape {self.weight.shape}; "
                f"expected {self.axes} axes of the kernel, then (C / groups, D)"
            )
        name = type(self).__name__
        sizes = ("kernel",) * self.axes
        check_shape(f"{name}: weight", self.weight, (*sizes, "C / groups", "D"))
        if self.bias is not None:
            check_shape(f"{name}: bias", self.bias, (channels_out,))
        per_axis(self.stride, self.axes, f"{name}: stride")
        per_axis(self.dilation, self.axes, f"{name}: dilation")
        paddings(self.padding, kernel, self.dilation, name)
        if self.groups < 1 or channels_out % self.groups:
            raise GeometryError(
                f"{name}: groups: got {self.groups} for {channels_out} output channels; "
                "expected a divisor"
            )

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
        groups: int = 1,
        bias: bool = True,
        initialiser: Initialiser = he,
    ) -> Self:
        """A layer with He-initialised weights, unless told otherwise, and zero bias.

        `padding` is "valid" (none), "same", "causal" (1-D), a number for all sides, or one
        (before, after) an axis. Raises GeometryError for settings that cannot be.
        """
        name = f"{cls.__name__}.create"
        kernel = per_axis(kernel, cls.axes, f"{name}: kernel")
        dilation = per_axis(dilation, cls.axes, f"{name}: dilation")
        _check_channels(name, channels_in, channels_out, groups)
        places, shape = prod(kernel), (*kernel, channels_in // groups, channels_out)
        return cls(
            weight=initialiser(
                rng, shape, places * channels_in // groups, places * channels_out // groups
            ),
            bias=np.zeros(channels_out, np.float32) if bias else None,
            stride=per_axis(stride, cls.axes, f"{name}: stride"),
            dilation=dilation,
            padding=paddings(padding, kernel, dilation, name),
            groups=groups,
        )

    @property
    def kernel(self) -> Sizes:
        return self.weight.shape[: self.axes]

    @property
    def channels_in(self) -> int:
        return int(self.weight.shape[-2]) * self.groups

    @cached_property
    def windows(self) -> Windows:
        settings = zip(self.kernel, self.stride, self.dilation, self.padding, strict=True)
        return tuple(conv_window(k, s, d, before) for k, s, d, (before, _) in settings)

    def lengths(self, lengths: Sizes) -> Sizes:
        if len(lengths) != self.axes:
            raise ShapeError(f"{self}: got lengths {lengths}; expected {self.axes} swept axes")
        return output_lengths(self._padded(lengths), self.kernel, self.stride, self.dilation)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._expect_channels(shape, self.channels_in)
        return (shape[0], *self.lengths(shape[1:-1]), self.weight.shape[-1])

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        return shape[0] * prod(self.lengths(shape[1:-1])) * self.weight.size

    def stepped(self) -> Conv:
        return replace(self, padding=((0, 0),) * self.axes)

    def forward(self, x: Array) -> Array:
        return self._correlate(self._checked(x))

    def _outputs(self, x: Array) -> Array:
        if self.axes > 1 or self.groups > 1 or not 0 < x.size * self.kernel[0] <= MOST_AT_ONCE:
            return super()._outputs(x)
        # As in most steps of a stream: so little that cutting it into blocks would take longer.
        plain = self.kernel == self.stride == (1,)
        windows = x if plain else unfold(x, self.kernel, self.stride, self.dilation)
        return self._products(windows, windows.shape[:2])

    def _swept(self, tail: Tail, chunk: Chunk, first: Count, windows: int) -> Array:
        numbers = len(chunk.rows) * windows * self.weight[..., 0].size
        if self.groups > 1 or not tail.holds(chunk) or not 0 < numbers <= MOST_AT_ONCE:
            return super()._swept(tail, chunk, first, windows)
        # Windows are put together from where their inputs lie, and not from a copy of those.
        (stride,), (dilation,) = self.stride, self.dilation
        places = stride * np.arange(windows)[:, None] + dilation * np.arange(self.kernel[0])
        inputs = tail.gathered(chunk, first, places.reshape(-1))
        return self._products(inputs, (len(chunk.rows), windows))

    def _products(self, windows: Array, shape: Sizes) -> Array:
        """The outputs (*shape, D) of windows that lie one behind the other."""
        rows = windows.reshape(prod(shape), -1)
        y = rows @ self.weight.reshape(-1, self.weight.shape[-1])
        if self.bias is not None:
            y += self.bias
        return y.reshape(*shape, -1)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        y, pull_weights = self.vjp_weights(x, rng)
        lengths = x.shape[1:-1]
        return y, lambda dy: (self._pull_input(dy, lengths), pull_weights(dy))

    def vjp_weights(
        self, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, Callable[[Array], Conv]]:
        padded = self._checked(x)

        def pull(dy: Array) -> Conv:
            settings = (self.kernel, self.stride, self.dilation, self.groups)
            return replace(
                self,
                weight=weight_gradient(padded, dy, *settings),
                bias=None if self.bias is None else dy.reshape(-1, dy.shape[-1]).sum(axis=0),
            )

        return self._correlate(padded), pull

    def _checked(self, x: Array) -> Array:
        """The batch with its padding, if it fits the layer."""
        self._expect(
            x.ndim == self.axes + 2 and x.shape[-1] == self.channels_in,
            x,
            f"{self.axes + 2} axes with {self.channels_in} channels last",
        )
        return pad(x, self.padding)

    def _correlate(self, padded: Array) -> Array:
        settings = (self.stride, self.dilation, self.groups)
        return correlate(padded, self.weight, *settings, bias=self.bias)

    def _padded(self, lengths: Sizes) -> Sizes:
        return tuple(n + sum(p) for n, p in zip(lengths, self.padding, strict=True))

    def _pull_input(self, dy: Array, lengths: Sizes) -> Array:
        """dx: each dy spread over its window with the weights, overlaps added."""
        if dy.size == 0:
            return np.zeros((dy.shape[0], *lengths, self.channels_in), dy.dtype)
        if all(s == 1 for s in self.stride):
            return self._correlate_flipped(dy)
        settings = (self.stride, self.dilation, self.groups)
        dx = spread(dy, self.weight, self._padded(lengths), *settings)
        return unpad(dx, self.padding)

    def _correlate_flipped(self, dy: Array) -> Array:
        """At stride 1 spreading is a convolution with the filters flipped: one product again."""
        reaches = [d * (k - 1) for k, d in zip(self.kernel, self.dilation, strict=True)]
        outer = tuple((r - b, r - a) for r, (b, a) in zip(reaches, self.padding, strict=True))
        # Padding beyond the filter's reach met zeros only: its gradients are cropped.
        added = tuple((max(0, b), max(0, a)) for b, a in outer)
        crop = tuple((max(0, -b), max(0, -a)) for b, a in outer)
        filters = flipped(self.weight, self.groups)
        ones = (1,) * self.axes
        return unpad(correlate(pad(dy, added), filters, ones, self.dilation, self.groups), crop)

    def __str__(self) -> str:
        size = "x".join(map(str, self.kernel))
        channels = f"{self.channels_in} -> {self.weight.shape[-1]}"
        groups = "" if self.groups == 1 else f", groups {self.groups}"
        return f"{type(self).__name__}({channels}, kernel {size}{groups})"


def _check_channels(name: str, channels_in: int, channels_out: int, groups: int) -> None:
    if channels_in < 1 or channels_out < 1:
        raise GeometryError(
            f"{name}: got {channels_in} channels in, {channels_out} out; expected >= 1"
        )
    if groups < 1 or channels_in % groups or channels_out % groups:
        raise GeometryError(
            f"{name}: groups: got {groups}; expected a divisor of the {channels_in} channels in "
            f"and the {channels_out} out"
        )


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
        yield cls.create(rng, 2, 3, 3, dilation=2, padding="causal"), (2, 8, 2)
        yield cls.create(rng, 4, 6, 3, stride=2, groups=2), (2, 9, 4)
        yield cls.create(rng, 3, 3, 3, groups=3, dilation=2), (2, 9, 3)


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
        yield cls.create(rng, 2, 3, 2, padding=((0, 2), (1, 0))), (2, 4, 5, 2)
        yield cls.create(rng, 4, 2, 3, padding="same", groups=2), (2, 5, 4, 4)
        yield cls.create(rng, 3, 6, 3, stride=2, padding=1, groups=3, bias=False), (2, 5, 6, 3)


@dataclass(frozen=True, eq=False)
class Conv3d(Conv):
    """Convolution over a video or a volume: (N, D, H, W, C) -> (N, D', H', W', D)."""

    axes: ClassVar[int] = 3

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls.create(rng, 2, 3, (2, 3, 2)), (2, 4, 5, 4, 2)
        yield cls.create(rng, 2, 2, 3, stride=(1, 2, 2), padding="same"), (1, 3, 5, 4, 2)
        yield cls.create(rng, 2, 2, 2, groups=2, dilation=(1, 2, 1)), (1, 3, 4, 3, 2)
