"""Networks from layers: one after another, and side by side with the outputs added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.geometry import Window, Windows, compose, cover, crop_offsets
from cnn_core.layers.activations import Relu
from cnn_core.layers.conv import Conv1d, Conv2d
from cnn_core.layers.layer import Layer, Pull, StreamState
from cnn_core.layers.upsample import Upsample


@dataclass(frozen=True, eq=False)
class Sequential(Layer):
    """Layers one after another; the one place that loops over layers."""

    layers: tuple[Layer, ...]

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        first, second = Conv1d.create(rng, 2, 3, 3, stride=2), Conv1d.create(rng, 3, 2, 2)
        yield cls((first, Relu(), second)), (2, 12, 2)
        yield cls((Conv2d.create(rng, 2, 3, 3), Relu())), (1, 5, 6, 2)

    @property
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
        return reduce(lambda y, layer: layer.forward(y), self.layers, x)

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

    def init(self) -> StreamState:
        return tuple(layer.init() for layer in self.layers)

    def step(self, state: StreamState, x: Array) -> tuple[StreamState, Array]:
        states = []
        for layer, layer_state in zip(self.layers, state, strict=True):
            layer_state, x = layer.step(layer_state, x)
            states.append(layer_state)
        return tuple(states), x


@dataclass(frozen=True, eq=False)
class Identity(Layer):
    """The input itself: the skip of a residual block."""

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        yield cls(), (2, 5, 3)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        return x, lambda dy: (dy, self)


@dataclass(frozen=True, eq=False)
class Sum(Layer):
    """Branches side by side, their outputs added.

    So are residual blocks built (He et al. 2015) and feature pyramids (Lin et al. 2017).

    Outputs are added where their windows are centred alike; what one branch has beyond the
    others is cropped. So a skip past valid convolutions is the cropped input.
    """

    branches: tuple[Layer, ...]

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        conv = Conv1d.create(rng, 3, 3, 3, dilation=2)
        yield cls((Identity(), Sequential((conv, Relu())))), (2, 11, 3)
        strided = Conv1d.create(rng, 2, 3, 5, stride=3), Conv1d.create(rng, 2, 3, 1, stride=3)
        yield cls(strided), (2, 17, 2)
        yield cls((Identity(), Conv2d.create(rng, 2, 2, 3))), (2, 6, 5, 2)
        down = Conv2d.create(rng, 2, 2, 3, stride=2, padding="same")
        yield cls((Identity(), Sequential((down, Upsample.create(2))))), (1, 5, 6, 2)

    @property
    def windows(self) -> Windows:
        return tuple(cover(axis) for axis in self._by_axis())

    def lengths(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        outputs = [branch.lengths(lengths) for branch in self.branches]
        cropped = [
            [length - drop for length, drop in zip(output, drops, strict=True)]
            for output, drops in zip(outputs, self._drops(len(lengths)), strict=True)
        ]
        return tuple(max(0, min(axis)) for axis in zip(*cropped, strict=True))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        channels = self.branches[0].output_shape(shape)[-1]
        return (shape[0], *self.lengths(shape[1:-1]), channels)

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        return sum(branch.multiply_adds(shape) for branch in self.branches)

    def forward(self, x: Array) -> Array:
        outputs = [branch.forward(x) for branch in self.branches]
        crops = self._crops(outputs)
        return self._add([y[crop] for y, crop in zip(outputs, crops, strict=True)])

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        outputs, pulls = zip(*(branch.vjp(x, rng) for branch in self.branches), strict=True)
        crops = self._crops(outputs)

        def pull_all(dy: Array) -> tuple[Array, Sum]:
            dx: list[Array] = []
            gradients: list[Layer] = []
            for y, crop, pull in zip(outputs, crops, pulls, strict=True):
                branch_dx, gradient = pull(_uncrop(dy, crop, y.shape))
                dx.append(branch_dx)
                gradients.append(gradient)
            return self._add(dx), Sum(tuple(gradients))

        return self._add([y[crop] for y, crop in zip(outputs, crops, strict=True)]), pull_all

    def init(self) -> StreamState:
        drops = [drop for (drop,) in self._drops(1)]
        return tuple(
            (branch.init(), drop, None) for branch, drop in zip(self.branches, drops, strict=True)
        )

    def step(self, state: StreamState, x: Array) -> tuple[StreamState, Array]:
        # A branch with a shorter window answers earlier: its outputs wait for the others.
        branch_states, drops, waiting = [], [], []
        for branch, (branch_state, drop, kept) in zip(self.branches, state, strict=True):
            branch_state, y = branch.step(branch_state, x)
            fresh = y[:, min(drop, y.shape[1]) :]
            branch_states.append(branch_state)
            drops.append(drop - (y.shape[1] - fresh.shape[1]))
            waiting.append(fresh if kept is None else np.concatenate((kept, fresh), axis=1))
        ready = min(y.shape[1] for y in waiting)
        rest = [y[:, ready:].copy() for y in waiting]
        total = self._add([y[:, :ready] for y in waiting])
        return tuple(zip(branch_states, drops, rest, strict=True)), total

    def _by_axis(self) -> list[tuple[Window, ...]]:
        """Windows of all branches, axis by axis; a pointwise branch joins with the identity."""
        axes = max((len(branch.windows) for branch in self.branches), default=0)
        windows = [branch.windows or (Window(),) * axes for branch in self.branches]
        if any(len(w) != axes for w in windows):
            raise GeometryError("Sum: its branches sweep different numbers of axes")
        return list(zip(*windows, strict=True))

    def _drops(self, axes: int) -> list[tuple[int, ...]]:
        """How many first outputs each branch drops, an axis each."""
        by_axis = [crop_offsets(axis) for axis in self._by_axis()]
        return list(zip(*by_axis, strict=True)) or [(0,) * axes for _ in self.branches]

    def _crops(self, outputs: list[Array] | tuple[Array, ...]) -> list[tuple[slice, ...]]:
        axes = outputs[0].ndim - 2
        drops = self._drops(axes)
        sizes = [
            min(y.shape[1 + a] - d[a] for y, d in zip(outputs, drops, strict=True))
            for a in range(axes)
        ]
        return [
            (slice(None), *(slice(d, d + max(0, n)) for d, n in zip(drop, sizes, strict=True)))
            for drop in drops
        ]

    def _add(self, outputs: list[Array]) -> Array:
        total = outputs[0] + outputs[1] if len(outputs) > 1 else outputs[0]
        for y in outputs[2:]:
            total += y
        return total


def _uncrop(dy: Array, crop: tuple[slice, ...], shape: tuple[int, ...]) -> Array:
    """The gradient of a crop: zeros where outputs were dropped."""
    if dy.shape == shape:
        return dy
    full = np.zeros(shape, dy.dtype)
    full[crop] = dy
    return full
