"""Batch normalisation: a learned mean and spread a channel (Ioffe and Szegedy 2015)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers.checks import check_setting, check_shape
from cnn_core.layers.layer import Layer, Pull
from cnn_core.layers.rows import LongRows
from cnn_core.tree import OFFSET, STATISTIC


@dataclass(frozen=True, eq=False)
class BatchNorm(Layer):
    """y = scale * (x - mean) / sqrt(variance + epsilon) + shift, channel by channel.

    In training mean and variance are the batch's, over all its n places, the variance divided by
    n; in inference the running ones, running = momentum * running + (1 - momentum) * batch. The
    gradient of a running statistic is the step it takes, to be subtracted as it is.

    PyTorch's momentum is 1 - momentum here, and its running variance, alone, is divided by n - 1.
    `batch_statistics.recompute` measures both statistics over a whole training set instead.
    """

    scale: Array = field(metadata=OFFSET)
    shift: Array = field(metadata=OFFSET)
    mean: Array = field(metadata=STATISTIC)
    variance: Array = field(metadata=STATISTIC)
    momentum: float = 0.9
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check_shape("BatchNorm: scale", self.scale, ("C",))
        for name in ("shift", "mean", "variance"):
            check_shape(f"BatchNorm: {name}", getattr(self, name), self.scale.shape)
        momentum, epsilon = self.momentum, self.epsilon
        check_setting("BatchNorm: momentum", 0 <= momentum <= 1, momentum, "0..1")
        check_setting("BatchNorm: epsilon", epsilon > 0, epsilon, "a number > 0")

    @classmethod
    def create(cls, channels: int, *, momentum: float = 0.9, scale: float = 1.0) -> Self:
        """The identity on normalised data; scale 0 starts a residual branch silent."""
        return cls(
            scale=np.full(channels, scale, np.float32),
            shift=np.zeros(channels, np.float32),
            mean=np.zeros(channels, np.float32),
            variance=np.ones(channels, np.float32),
            momentum=momentum,
        )

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        for shape in ((4, 5, 3), (2, 4, 3, 3)):
            channels = shape[-1]
            yield (
                cls(
                    scale=rng.standard_normal(channels).astype(np.float32),
                    shift=rng.standard_normal(channels).astype(np.float32),
                    mean=rng.standard_normal(channels).astype(np.float32),
                    variance=rng.uniform(0.5, 2.0, channels).astype(np.float32),
                ),
                shape,
            )

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._expect_channels(shape, len(self.scale))
        return shape

    def affine(self) -> tuple[Array, Array]:
        """(factor, offset) of the inference form y = factor * x + offset."""
        least = self.variance.min(initial=0)
        check_setting("BatchNorm: variance", least >= 0, least, "numbers >= 0")
        factor = self.scale / np.sqrt(self.variance + self.epsilon)
        return factor, self.shift - factor * self.mean

    def forward(self, x: Array) -> Array:
        self._expect_channels(x.shape, len(self.scale))
        factor, offset = self.affine()
        rows = LongRows.of(x)
        y = rows.values * rows.wide(factor)
        y += rows.wide(offset)
        return y.reshape(x.shape)

    def forward_over(self, x: Array) -> Array:
        self._expect_channels(x.shape, len(self.scale))
        factor, offset = self.affine()
        rows = LongRows.of(x)
        if factor.dtype != x.dtype or not np.may_share_memory(rows.values, x):
            return self.forward(x)
        np.multiply(rows.values, rows.wide(factor), out=rows.values)
        np.add(rows.values, rows.wide(offset), out=rows.values)
        return x

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        self._expect_channels(x.shape, len(self.scale))
        rows, training = LongRows.of(x), rng is not None
        self._expect(not training or rows.places > 0, x, "at least one sample to train on")
        mean, variance = _moments(rows) if training else (self.mean, self.variance)
        spread = 1.0 / np.sqrt(variance + self.epsilon)
        factor, centre = self.scale * spread, rows.wide(mean)

        def pull(dy: Array) -> tuple[Array, BatchNorm]:
            dys = dy.reshape(rows.values.shape)
            dshift = rows.sum(lambda block: dys[block])
            dscale = rows.sum(lambda block: (rows.values[block] - centre) * dys[block]) * spread
            dx, scale = np.empty_like(dys), rows.wide(factor)
            slope = rows.wide(spread * dscale / max(1, rows.places))
            level = rows.wide(dshift / max(1, rows.places))
            for block in rows.blocks():
                part = np.multiply(dys[block], scale, out=dx[block])
                if training:
                    # The batch's own mean and variance depend on x: their share is taken out.
                    share = rows.values[block] - centre
                    share *= slope
                    share += level
                    share *= scale
                    part -= share
            return dx.reshape(x.shape), self._gradient(dscale, dshift, mean, variance)

        y, scale, shift = np.empty_like(rows.values), rows.wide(factor), rows.wide(self.shift)
        for block in rows.blocks():
            part = np.subtract(rows.values[block], centre, out=y[block])
            part *= scale
            part += shift
        return y.reshape(x.shape), pull

    def _gradient(self, dscale: Array, dshift: Array, mean: Array, variance: Array) -> BatchNorm:
        rate = 1.0 - self.momentum
        return BatchNorm(
            scale=dscale,
            shift=dshift,
            mean=rate * (self.mean - mean),
            variance=rate * (self.variance - variance),
            momentum=self.momentum,
            epsilon=self.epsilon,
        )


def _moments(rows: LongRows) -> tuple[Array, Array]:
    """Mean and variance of each channel; the variance in a second pass, so that nothing cancels."""
    mean = rows.sum(lambda block: rows.values[block]) / rows.places
    centre = rows.wide(mean)
    return mean, rows.sum(lambda block: (rows.values[block] - centre) ** 2) / rows.places
