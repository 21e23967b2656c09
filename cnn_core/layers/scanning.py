"""A dense network applied to every window, and the same function as a stack of convolutions.

The convolution of the lectures is derived this way: a multi-layer perceptron looks for a pattern
in one window; scanning it over a signal, layer by layer instead of window by window, is a
convolutional network. If its first layer looks at sub-blocks of the window with weights shared
between them, sub-blocks are also shared between overlapping windows, and computed once: the
distributed scan (CMU 11-785, "Scanning for patterns"; Waibel et al. 1989 for speech).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd, prod
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError
from cnn_core.geometry import Windows, conv_window
from cnn_core.init import Initialiser, he
from cnn_core.layers.activations import Relu, Sigmoid
from cnn_core.layers.compose import Sequential
from cnn_core.layers.conv import Conv, Conv1d, Conv2d, Conv3d
from cnn_core.layers.dense import Dense
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.patches import Sizes, axes_of, fold, per_axis, unfold

CONVOLUTIONS: dict[int, type[Conv]] = {1: Conv1d, 2: Conv2d, 3: Conv3d}
"""By the number of axes swept."""


@dataclass(frozen=True, eq=False)
class ScanningMlp(Layer):
    """One dense network for every window, each window on its own: (N, *in, C) -> (N, *out, D).

    A window is cut into blocks of `block` places side by side (one block, if it is the whole
    kernel). The first dense layer sees each block's numbers, (*block, C) in order; the next one
    sees what came of all blocks, (*blocks, channels) in order; further ones see those before.
    """

    mlp: Sequential
    kernel: Sizes
    stride: Sizes
    block: Sizes

    def __post_init__(self) -> None:
        per_axis(
            self.stride, max(1, axes_of(self.kernel, "ScanningMlp: kernel")), "ScanningMlp: stride"
        )
        if len(self.block) != len(self.kernel) or any(
            k % b for k, b in zip(self.kernel, self.block, strict=True)
        ):
            raise GeometryError(
                f"ScanningMlp: block: got {self.block} in a window of {self.kernel}; "
                "expected a divisor, an axis each"
            )
        layers = [str(layer) for layer in self.mlp.layers]
        if not self.mlp.layers or not isinstance(self.mlp.layers[0], Dense) or self.mlp.windows:
            raise GeometryError(
                f"ScanningMlp: mlp: got {layers}; expected a dense layer first, then pointwise "
                "functions and dense layers"
            )
        if self.block != self.kernel and len(self._dense) < 2:
            raise GeometryError(
                f"ScanningMlp: mlp: got {layers} over blocks of {self.block}; expected a second "
                "dense layer, which joins a window's blocks"
            )

    @classmethod
    def create(
        cls,
        rng: np.random.Generator,
        channels: Sizes,
        kernel: int | Sizes,
        *,
        stride: int | Sizes = 1,
        block: int | Sizes | None = None,
        axes: int = 1,
        activation: Layer | None = None,
        initialiser: Initialiser = he,
    ) -> Self:
        """Dense layers of so many channels: in, of each hidden layer, and out; ReLUs between."""
        where = "ScanningMlp.create:"
        kernel = per_axis(kernel, axes, f"{where} kernel")
        block = kernel if block is None else per_axis(block, axes, f"{where} block")
        places = (prod(block), prod(kernel) // prod(block), *(1 for _ in channels))
        layers: list[Layer] = []
        for seen, channels_in, channels_out in zip(places, channels, channels[1:], strict=False):
            dense = Dense.create(rng, seen * channels_in, channels_out, initialiser=initialiser)
            layers += [dense, activation or Relu()]
        mlp = Sequential(tuple(layers[:-1]))
        return cls(mlp, kernel, per_axis(stride, axes, f"{where} stride"), block)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        smooth = Sigmoid()
        yield cls.create(rng, (2, 4, 3), 4, activation=smooth), (2, 7, 2)
        yield (
            cls.create(rng, (2, 3, 4, 2), 6, stride=3, block=2, activation=smooth),
            (2, 13, 2),
        )
        yield (
            cls.create(rng, (1, 3, 2), (4, 2), stride=(1, 2), block=2, axes=2, activation=smooth),
            (2, 6, 5, 1),
        )

    @property
    def blocks(self) -> Sizes:
        """How many blocks a window has, an axis each."""
        return tuple(k // b for k, b in zip(self.kernel, self.block, strict=True))

    @property
    def windows(self) -> Windows:
        return tuple(conv_window(k, s) for k, s in zip(self.kernel, self.stride, strict=True))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._expect_channels(shape, len(self._dense[0].weight) // prod(self.block))
        return (shape[0], *self.lengths(shape[1:-1]), self._dense[-1].weight.shape[1])

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        first, *rest = (dense.weight.size for dense in self._dense)
        return shape[0] * prod(self.lengths(shape[1:-1])) * (prod(self.blocks) * first + sum(rest))

    def forward(self, x: Array) -> Array:
        near, far = self._parts
        hidden = near.forward(self._rows(x))
        return far.forward(_flat(hidden)).reshape(self.output_shape(x.shape))

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        near, far = self._parts
        hidden, pull_near = near.vjp(self._rows(x), rng)
        y, pull_far = far.vjp(_flat(hidden), rng)

        def pull(dy: Array) -> tuple[Array, ScanningMlp]:
            dhidden, far_gradient = pull_far(dy.reshape(y.shape))
            drows, near_gradient = pull_near(dhidden.reshape(hidden.shape))
            layers = (*near_gradient.layers, *far_gradient.layers)
            return self._unrow(drows, x.shape), replace(self, mlp=Sequential(layers))

        return y.reshape(self.output_shape(x.shape)), pull

    @property
    def _dense(self) -> list[Dense]:
        return [layer for layer in self.mlp.layers if isinstance(layer, Dense)]

    @property
    def _parts(self) -> tuple[Sequential, Sequential]:
        """What each block goes through, and what a window's blocks go through together."""
        layers = self.mlp.layers
        later = (i for i, layer in enumerate(layers) if i and isinstance(layer, Dense))
        cut = next(later, len(layers))
        return Sequential(layers[:cut]), Sequential(layers[cut:])

    def _rows(self, x: Array) -> Array:
        """Every window on its own: (N * windows, blocks, block * C)."""
        axes = len(self.kernel)
        numbers = self._dense[0].weight.shape[0]
        self._expect(
            x.ndim == axes + 2 and x.shape[-1] * prod(self.block) == numbers,
            x,
            f"{axes + 2} axes with {numbers // prod(self.block)} channels last",
        )
        windows = unfold(x, self.kernel, self.stride, (1,) * axes)
        count = prod(windows.shape[: 1 + axes])
        cut = windows.reshape(*windows.shape[: 1 + axes], *self._cut_axes, x.shape[-1])
        return cut.transpose(self._blocks_first).reshape(count, prod(self.blocks), numbers)

    def _unrow(self, rows: Array, shape: tuple[int, ...]) -> Array:
        """The windows' gradients added back to their places, the transpose of `_rows`."""
        axes, lengths = len(self.kernel), shape[1:-1]
        counts = (shape[0], *self.lengths(lengths))
        cut = rows.reshape(*counts, *self.blocks, *self.block, shape[-1])
        windows = cut.transpose(np.argsort(self._blocks_first))
        windows = windows.reshape(*counts, *self.kernel, shape[-1])
        return fold(windows, lengths, self.stride, (1,) * axes)

    @property
    def _cut_axes(self) -> Sizes:
        """The kernel's axes, each cut in (blocks, block)."""
        return tuple(n for pair in zip(self.blocks, self.block, strict=True) for n in pair)

    @property
    def _blocks_first(self) -> Sizes:
        """(N, *out, blocks and block an axis each, C) -> (N, *out, *blocks, *block, C)."""
        axes = len(self.kernel)
        outer, last = range(1 + axes), 1 + 3 * axes
        return (*outer, *range(1 + axes, last, 2), *range(2 + axes, last, 2), last)


def _flat(rows: Array) -> Array:
    return rows.reshape(len(rows), prod(rows.shape[1:]))


def distribute(scanner: ScanningMlp) -> Sequential:
    """The scan layer by layer: a stack of convolutions with the outputs of `scanner`.

    The first dense layer becomes a convolution of the block's size, the second one of as many
    places as a window has blocks, a block apart; the others become convolutions of size 1. What
    blocks of overlapping windows have in common is computed once.
    """
    near, far = scanner._parts
    hop = tuple(
        stride if blocks == 1 else gcd(stride, block)
        for stride, block, blocks in zip(scanner.stride, scanner.block, scanner.blocks, strict=True)
    )
    rest = tuple(s // h for s, h in zip(scanner.stride, hop, strict=True))
    apart = tuple(max(1, b // h) for b, h in zip(scanner.block, hop, strict=True))
    ones = (1,) * len(hop)
    settings = [(scanner.block, hop, ones), (scanner.blocks, rest, apart)]
    layers = [
        _as_convolution(layer, *(settings.pop(0) if settings else (ones, ones, ones)))
        if isinstance(layer, Dense)
        else layer
        for layer in (*near.layers, *far.layers)
    ]
    return Sequential(tuple(layers))


def _as_convolution(dense: Dense, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Conv:
    weight = dense.weight.reshape(*kernel, -1, dense.weight.shape[-1])
    none = ((0, 0),) * len(kernel)
    return CONVOLUTIONS[len(kernel)](weight, dense.bias, stride, dilation, none)
