"""Networks from layers: one after another, and side by side, outputs added or joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce
from typing import Any, ClassVar, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError
from cnn_core.geometry import Windows, compose
from cnn_core.layers.activations import Relu
from cnn_core.layers.branches import Branches, Identity, added, common_periods
from cnn_core.layers.chunks import Chunk, most
from cnn_core.layers.conv import Conv1d, Conv2d
from cnn_core.layers.dense import Dense
from cnn_core.layers.layer import Layer, Pull, Tails
from cnn_core.layers.upsample import Upsample


@dataclass(frozen=True, eq=False)
class Sequential(Layer):
    """Layers one after another; the one place that loops over layers."""

    computes: ClassVar[bool] = False

    layers: tuple[Layer, ...]

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        first, second = Conv1d.create(rng, 2, 3, 3, stride=2), Conv1d.create(rng, 3, 2, 2)
        yield cls((first, Relu(), second)), (2, 12, 2)
        yield cls((Conv2d.create(rng, 2, 3, 3), Relu())), (1, 5, 6, 2)

    @cached_property
    def windows(self) -> Windows:
        return compose(layer.windows for layer in self.layers)

    def lengths(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        return reduce(lambda sizes, layer: layer.lengths(sizes), self.layers, lengths)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return reduce(lambda sizes, layer: layer.output_shape(sizes), self.layers, shape)

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        total = 0
        for layer in self.layers:
            total += layer.multiply_adds(shape)
            shape = layer.output_shape(shape)
        return total

    def forward(self, x: Array) -> Array:
        y, ours = x, False
        for layer in self.layers:
            y = layer.forward_over(y) if ours else layer.forward(y)
            # What shares no memory with the input was made on the way, and nobody else holds it.
            ours = ours or not np.may_share_memory(x, y)
        return y

    def forward_over(self, x: Array) -> Array:
        return reduce(lambda y, layer: layer.forward_over(y), self.layers, x)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        pulls: list[Pull] = []
        y = x
        for layer in self.layers:
            y, pull = layer.vjp(y, rng)
            pulls.append(pull)

        def pull_all(dy: Array) -> tuple[Array, Sequential]:
            gradients: list[Layer] = []
            for pull in reversed(pulls):
                dy, gradient = pull(dy)
                gradients.append(gradient)
            return dy, Sequential(tuple(reversed(gradients)))

        return y, pull_all

    def vjp_weights(
        self, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, Callable[[Array], Sequential]]:
        if not self.layers:
            return x, lambda _: self
        y, pull_first = self.layers[0].vjp_weights(x, rng)
        y, pull_rest = Sequential(self.layers[1:]).vjp(y, rng)

        def pull(dy: Array) -> Sequential:
            dy, rest = pull_rest(dy)
            return Sequential((pull_first(dy), *rest.layers))

        return y, pull

    @property
    def periods(self) -> tuple[int, ...]:
        windows: Windows = ()
        periods: tuple[int, ...] = ()
        for layer in self.layers:
            periods = common_periods(periods, _scaled(windows, layer.periods))
            windows = compose((windows, layer.windows))
        return periods

    def tails(self, short: int, channels: int, dtype: np.dtype[Any]) -> Tails:
        tails = []
        for layer in self.layers:
            tails.append(layer.tails(short, channels, dtype))
            short, channels = most(layer.windows, short), layer.output_shape((1, 0, channels))[-1]
        return tuple(tails)

    def step(self, tails: Tails, chunk: Chunk) -> Chunk:
        for layer, tail in zip(self.layers, tails, strict=True):
            chunk = layer.step(tail, chunk)
        return chunk


@dataclass(frozen=True, eq=False)
class Sum(Branches):
    """Branches side by side, their outputs added: (N, *in, C) -> (N, *out, D).

    So are residual blocks built (He et al. 2015) and feature pyramids (Lin et al. 2017).
    """

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        conv = Conv1d.create(rng, 3, 3, 3, dilation=2)
        yield cls((Identity(), Sequential((conv, Relu())))), (2, 11, 3)
        yield cls((Identity(), Conv1d.create(rng, 2, 2, 3, padding="causal"))), (2, 7, 2)
        strided = Conv1d.create(rng, 2, 3, 5, stride=3), Conv1d.create(rng, 2, 3, 1, stride=3)
        yield cls(strided), (2, 17, 2)
        yield cls((Identity(), Conv2d.create(rng, 2, 2, 3))), (2, 6, 5, 2)
        down = Conv2d.create(rng, 2, 2, 3, stride=2, padding="same")
        yield cls((Identity(), Sequential((down, Upsample.create(2))))), (1, 5, 6, 2)

    def join(self, outputs: Sequence[Array]) -> Array:
        return added(outputs)

    def split(self, dy: Array, channels: Sequence[int]) -> Sequence[Array]:
        return [dy for _ in channels]

    def _channels(self, channels: Sequence[int]) -> int:
        if len(set(channels)) > 1:
            raise ShapeError(f"{self}: got branches with {list(channels)} channels; expected equal")
        return channels[0]


@dataclass(frozen=True, eq=False)
class Concat(Branches):
    """Branches side by side, their channels one after another: (N, *in, C) -> (N, *out, D1 + D2..).

    Dense blocks are this with `Identity` as the first branch (Huang et al. 2017); so are filters
    of several sizes over one input (Szegedy et al. 2015) and several heads on one trunk.
    """

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        conv = Conv1d.create(rng, 3, 2, 3, dilation=2)
        yield cls((Identity(), Sequential((conv, Relu())))), (2, 11, 3)
        sizes = tuple(Conv1d.create(rng, 2, d, k, stride=2) for d, k in ((1, 5), (3, 1), (2, 4)))
        yield cls(sizes), (2, 17, 2)
        yield cls((Identity(), Conv2d.create(rng, 2, 3, 3))), (2, 6, 5, 2)
        yield cls((Dense.create(rng, 4, 2), Dense.create(rng, 4, 3))), (3, 4)

    def join(self, outputs: Sequence[Array]) -> Array:
        return np.concatenate(outputs, axis=-1)

    def split(self, dy: Array, channels: Sequence[int]) -> Sequence[Array]:
        return np.split(dy, np.cumsum(channels)[:-1], axis=-1)

    def _channels(self, channels: Sequence[int]) -> int:
        return sum(channels)


def _scaled(windows: Windows, periods: tuple[int, ...]) -> tuple[int, ...]:
    """Periods of a layer that reads the outputs of `windows`, in inputs of those windows."""
    if not windows or not periods:
        return periods or tuple(max(1, Fraction(w.step).numerator) for w in windows)
    return tuple((Fraction(w.step) * p).numerator for w, p in zip(windows, periods, strict=True))
