"""Pooling that is learned: a small network turns every block into one number a channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import prod
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError
from cnn_core.layers.activations import Relu
from cnn_core.layers.compose import Sequential
from cnn_core.layers.dense import Dense
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.patches import Padding, Sizes, fold, pad, unfold, unpad
from cnn_core.layers.pooling import Pool, block_geometry


@dataclass(frozen=True, eq=False)
class NetworkPool(Pool):
    """`net`: (rows, places of the block) -> (rows, 1), shared by all blocks and all channels.

    The places of a block come in row-major order; padding counts as zero. With one dense layer of
    equal weights it is `MeanPool`.
    """

    net: Layer = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        rows = (1, prod(self.kernel))
        if self.net.output_shape(rows) != (1, 1):
            raise ShapeError(
                f"{self}: net: gives {self.net.output_shape(rows)} for an input of shape {rows}; "
                "expected (1, 1): one number a block"
            )

    @classmethod
    def create(
        cls,
        net: Layer,
        kernel: int | Sizes,
        *,
        stride: int | Sizes | None = None,
        padding: str | int | Padding = "valid",
        axes: int = 1,
    ) -> Self:
        """Blocks side by side, unless a stride is given; `padding` as a convolution's.

        Raises GeometryError for settings that cannot be, ShapeError for a net that does not fit.
        """
        return cls(*block_geometry(cls.__name__, kernel, stride, padding, axes), net=net)

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        hidden = Dense.create(rng, 4, 5), Relu(), Dense.create(rng, 5, 1)
        yield cls.create(Dense.create(rng, 3, 1), 3, stride=2), (2, 8, 2)
        yield cls.create(Sequential(hidden), 2, axes=2), (2, 5, 4, 3)
        yield (
            cls.create(Sequential(hidden), 2, stride=1, padding=((1, 0), (0, 1)), axes=2),
            (1, 3, 4, 2),
        )
        yield cls.create(Dense.create(rng, 4, 1), (1, 2, 2), axes=3), (1, 2, 4, 5, 2)

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        rows = prod(self.output_shape(shape))
        return self.net.multiply_adds((rows, prod(self.kernel)))

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        self._met(x)
        padded, ones = pad(x, self.padding), (1,) * len(self.kernel)
        windows = np.moveaxis(unfold(padded, self.kernel, self.stride, ones), -1, 1 + len(ones))
        y, pull_net = self.net.vjp(windows.reshape(-1, prod(self.kernel)), rng)

        def pull(dy: Array) -> tuple[Array, NetworkPool]:
            rows, gradient = pull_net(dy.reshape(-1, 1))
            blocks = np.moveaxis(rows.reshape(windows.shape), 1 + len(ones), -1)
            dx = fold(blocks, padded.shape[1:-1], self.stride, ones)
            return unpad(dx, self.padding), replace(self, net=gradient)

        return y.reshape(self.output_shape(x.shape)), pull
