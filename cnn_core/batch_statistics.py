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

Inputs = Callable[[], Iterator[Array]]
"""The batches that arrive at a layer, made afresh each time."""


def recompute(net: Layer, batches: Iterable[Array]) -> Layer:
    """The network whose every batch norm holds mean and variance of all its inputs.

    Exact, whatever the batches' sizes: layer by layer in network order, each seeing what the
    recomputed ones before it give in inference. `batches` is walked once for each batch norm, so
    that memory does not grow with the data. Raises TrainingError where there are none, where they
    can be walked only once, and for a batch norm inside a layer that is not looked into.
    """
    if isinstance(batches, Iterator):
        raise TrainingError(
            "recompute: batches: got an iterator, which can be walked once only; expected a list, "
            "or another iterable that begins afresh each time"
        )
    return _settled(net, lambda: iter(batches))


def _settled(layer: Layer, inputs: Inputs) -> Layer:
    if isinstance(layer, BatchNorm):
        moments = Moments.of(inputs(), len(layer.scale))
        mean, variance = moments.mean, moments.squares / moments.count
        dtype = layer.mean.dtype
        return replace(layer, mean=mean.astype(dtype), variance=variance.astype(dtype))
    if isinstance(layer, Sequential):
        done: tuple[Layer, ...] = ()
        for part in layer.layers:
            done = (*done, _settled(part, _through(done, inputs)))
        return Sequential(done)
    if isinstance(layer, Branches):
        branches = tuple(_settled(branch, inputs) for branch in layer.branches)
        return replace(layer, branches=branches)
    if statistics(layer):
        raise TrainingError(
            f"recompute: got a batch norm inside {layer}; expected it in Sequential, Sum or Concat"
        )
    return layer


def _through(layers: tuple[Layer, ...], inputs: Inputs) -> Inputs:
    net = Sequential(layers)
    return lambda: map(net.forward, inputs())


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
