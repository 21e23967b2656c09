"""Batch norm's mean and variance measured over a whole training set: the other way to get them.

While training, running averages follow batches one by one and never quite arrive. Measured
afterwards the statistics are those of all data at once (Ioffe and Szegedy 2015, algorithm 2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import TrainingError
from cnn_core.layers import BatchNorm, Branches, Layer, Sequential
from cnn_core.tree import statistics

HOLD_BYTES = 1 << 30
"""What arrives at one batch norm is held in memory up to this size."""


def recompute(
    net: Layer, batches: Iterable[Array], *, hold_bytes: int = HOLD_BYTES, keep: bool = False
) -> Layer:
    """The network whose every batch norm holds mean and variance of all its inputs.

    Exact, whatever the batches' sizes: layer by layer in network order, each seeing what the
    recomputed ones before it give in inference. What arrives at a batch norm is held while the
    next is measured, which makes one pass in all; what is larger than `hold_bytes` is computed
    again from what was held before it, or from `batches`. With `keep` scale and shift change along,
    so that the network computes in inference what it did.

    Raises TrainingError where there are no batches, where they can be walked only once, and for a
    batch norm inside a layer that is not looked into.
    """
    if isinstance(batches, Iterator):
        raise TrainingError(
            "recompute: batches: got an iterator, which can be walked once only; expected a list, "
            "or another iterable that begins afresh each time"
        )
    return _settled(net, Arriving(lambda: iter(batches), 0), hold_bytes, keep)


def _settled(layer: Layer, inputs: Arriving, hold_bytes: int, keep: bool) -> Layer:
    if not statistics(layer):
        return layer
    if isinstance(layer, BatchNorm):
        measured = _measured(layer, inputs)
        return _keeping(layer, measured) if keep else measured
    if isinstance(layer, Branches):
        branches = tuple(_settled(branch, inputs, hold_bytes, keep) for branch in layer.branches)
        return replace(layer, branches=branches)
    if not isinstance(layer, Sequential):
        raise TrainingError(
            f"recompute: got a batch norm inside {layer}; expected it in Sequential, Sum or Concat"
        )
    done: list[Layer] = []
    since = 0
    for part in layer.layers:
        if statistics(part) and since < len(done):
            between = Sequential(tuple(done[since:]))
            inputs, since = inputs.through(between, hold_bytes), len(done)
        done.append(_settled(part, inputs, hold_bytes, keep))
    return Sequential(tuple(done))


def _measured(norm: BatchNorm, inputs: Iterable[Array]) -> BatchNorm:
    moments = Moments.of(inputs, len(norm.scale))
    variance = moments.squares / moments.count
    dtype = norm.mean.dtype
    return replace(norm, mean=moments.mean.astype(dtype), variance=variance.astype(dtype))


def _keeping(norm: BatchNorm, measured: BatchNorm) -> BatchNorm:
    """The measured statistics, with the scale and shift by which it computes what `norm` does."""
    factor, offset = norm.affine()
    spread = np.sqrt(measured.variance + measured.epsilon)
    return replace(measured, scale=factor * spread, shift=offset + factor * measured.mean)


class Arriving:
    """The batches that arrive at a layer: made when they are walked, then held if they fit."""

    def __init__(self, make: Callable[[], Iterator[Array]], hold_bytes: int) -> None:
        self._make, self._hold_bytes = make, hold_bytes

    def __iter__(self) -> Iterator[Array]:
        held: list[Array] = []
        size = 0
        for x in self._make():
            size += x.nbytes
            if size <= self._hold_bytes:
                held.append(x)
            else:
                held.clear()
            yield x
        if held:
            # What they were made from is let go of with the function that made them.
            self._make = held.__iter__

    def through(self, net: Layer, hold_bytes: int) -> Arriving:
        """What `net` makes of them."""
        return Arriving(lambda: map(net.forward, self), hold_bytes)


@dataclass(frozen=True, eq=False)
class Moments:
    """How many rows there were, their mean and their summed squared distance from it: (C,).

    In double precision, and joined by distances from means, so that no large sums cancel
    (Chan, Golub and LeVeque 1983).
    """

    count: int
    mean: Array
    squares: Array

    @classmethod
    def of(cls, batches: Iterable[Array], channels: int) -> Moments:
        """Those of all places of all batches (N, *in, C). Raises TrainingError for none."""
        total = cls(0, np.zeros(channels), np.zeros(channels))
        for x in batches:
            rows = x.reshape(-1, channels).astype(np.float64)
            if len(rows):
                mean = rows.mean(axis=0)
                total = total.joined(cls(len(rows), mean, ((rows - mean) ** 2).sum(axis=0)))
        if total.count == 0:
            raise TrainingError("recompute: batches: got none; expected at least one with a place")
        return total

    def joined(self, other: Moments) -> Moments:
        """Those of both sets of rows together."""
        count = self.count + other.count
        apart = other.mean - self.mean
        share = other.count / count
        return Moments(
            count,
            self.mean + apart * share,
            self.squares + other.squares + apart**2 * (self.count * share),
        )
