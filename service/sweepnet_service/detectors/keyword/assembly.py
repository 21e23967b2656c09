"""A keyword network and its parts: features (N, T, bands) -> a probability a label (N, T', labels).

    trunk -> each label: mean of heads + weight * word path, best of three windows -> calibration

Calibration is scale and offset of each label's log odds, then the sigmoid. Labels stand side by
side (`Concat`); what they begin with in common is computed once, so that words share a trunk while
a word with a fine-tuned trunk of its own shares the layers that were left alone, if any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

import numpy as np

from cnn_core.arrays import Array
from cnn_core.description import describe
from cnn_core.layers import (
    Concat,
    Conv1d,
    Layer,
    MaxPool,
    MeanPool,
    Sequential,
    Sigmoid,
    Softmax,
    Sum,
    WordPath,
)
from cnn_core.tree import arrays
from sweepnet_service.errors import InvalidInput

BEST_OF = 3
PATH_STEPS, STEPS_A_PHONE = 31, 3
SMOOTHED = 5
"""Windows over which log odds of a tuned trunk are averaged: of 1 to 13, the best on validation
clips in noise.
"""
UNCALIBRATED = 0.5
"""Scale of log odds before calibration, so that single precision tells high scores apart."""


@dataclass(frozen=True)
class Pieces:
    """What one label is made of; `spellings` empty: no word path, `heads` empty: nothing else."""

    trunk: Sequential
    phones: Conv1d
    heads: tuple[Sequential, ...]
    spellings: tuple[tuple[int, ...], ...] = ()
    path_weight: float = 3.0
    path_steps: int = PATH_STEPS
    floor: float = -8.0


def path_steps(spellings: Sequence[tuple[int, ...]], heads: Sequence[Sequential] = ()) -> int:
    """How many steps of 30 ms a word may take: as many as its heads see, 31 without, and more for a
    phrase of many phones.

    An odd number, so that windows have their middle where a head's have it.
    """
    least = max((int(head.windows[0].size) for head in heads), default=PATH_STEPS)
    return max(least, STEPS_A_PHONE * max(map(len, spellings), default=0)) | 1


@dataclass(frozen=True)
class Calibrated:
    """A network as the log odds before calibration, and scale and offset of each label (L,)."""

    body: Sequential
    scale: Array
    offset: Array

    @classmethod
    def of(cls, net: Layer, labels: int) -> Calibrated:
        """The parts of a network of so many labels. Raises InvalidInput if no sigmoid ends it."""
        *body, last = net.layers if isinstance(net, Sequential) and net.layers else (net,)
        if not isinstance(last, Sigmoid):
            raise InvalidInput("net", f"ends in {last}; expected a sigmoid")
        if body and isinstance(known := body[-1], Conv1d) and _is_affine(known, labels):
            assert known.bias is not None
            return cls(Sequential(tuple(body[:-1])), known.weight[0, 0], known.bias)
        ones = np.ones(labels, np.float32)
        return cls(Sequential(tuple(body)), ones, np.zeros_like(ones))

    @property
    def net(self) -> Sequential:
        """Layers that end in a sigmoid."""
        return Sequential((*self.body.layers, affine(self.scale, self.offset), Sigmoid()))

    def mapped(self, place: int, scale: float, offset: float) -> Calibrated:
        """The same with log odds x of the label at `place` replaced by scale * x + offset."""
        scales, offsets = self.scale.copy(), self.offset.copy()
        scales[place] *= scale
        offsets[place] = scale * offsets[place] + offset
        return Calibrated(self.body, scales, offsets)


def assemble(*labels: Pieces) -> Sequential:
    """One network of one label or several, its scores in order but not calibrated yet."""
    return side_by_side([_label(pieces) for pieces in labels], [1] * len(labels))


def _label(pieces: Pieces) -> Sequential:
    """The best of three windows in a row counts, so that a word is one event and not two."""
    branches: tuple[Layer, ...] = tuple(
        Sequential((*head.layers, affine(1 / len(pieces.heads), 0.0))) for head in pieces.heads
    )
    if pieces.spellings:
        path = WordPath(pieces.spellings, pieces.path_steps, pieces.floor)
        branches += (Sequential((pieces.phones, path, affine(pieces.path_weight, 0.0))),)
    if not branches:
        raise InvalidInput("pieces", "got no head and no spelling; expected one of either")
    best = MaxPool.create(BEST_OF, stride=1)
    return Sequential(
        (*pieces.trunk.layers, Sum(branches), best, affine(UNCALIBRATED, 0.0), Sigmoid())
    )


def from_tuned(net: Sequential) -> Sequential:
    """Scores (N, T', labels), still to be calibrated, of a trunk and the heads learnt with it."""
    _, heads = net.layers
    assert isinstance(heads, Concat)
    scale = np.full(len(heads.branches), UNCALIBRATED, np.float32)
    return Calibrated(smoothed(net), scale, np.zeros_like(scale)).net


def smoothed(net: Sequential) -> Sequential:
    """Log odds (N, T', labels) of a trunk and the heads that were learnt with it, side by side: the
    mean of `SMOOTHED` windows, each the best of three.
    """
    trunk, heads = net.layers
    assert isinstance(trunk, Sequential)
    best = MaxPool.create(BEST_OF, stride=1)
    return Sequential((*trunk.layers, heads, best, MeanPool.create(SMOOTHED, stride=1)))


def side_by_side(nets: Sequence[Layer], labels: Sequence[int]) -> Sequential:
    """One network with the labels of all of them, each net with so many, scored as before."""
    parts = [Calibrated.of(net, count) for net, count in zip(nets, labels, strict=True)]
    if len(parts) == 1:
        return parts[0].net
    body = _forked([part.body for part in parts], Concat)
    scale = np.concatenate([part.scale for part in parts])
    offset = np.concatenate([part.offset for part in parts])
    return Calibrated(body, scale, offset).net


def mean_net(nets: Sequence[Layer], labels: int) -> Sequential:
    """One network of which the log odds are the mean of those of `nets`, label by label."""
    parts = [Calibrated.of(net, labels) for net in nets]
    share = 1 / len(parts)
    branches = [
        Sequential((*part.body.layers, affine(share * part.scale, share * part.offset)))
        for part in parts
    ]
    ones = np.ones(labels, np.float32)
    return Calibrated(_forked(branches, Sum), ones, np.zeros_like(ones)).net


def _forked(nets: Sequence[Sequential], join: type[Concat] | type[Sum]) -> Sequential:
    """The layers that all begin with, once; then what is left of each, side by side."""
    shared = len(list(takewhile(_all_same, zip(*(net.layers[:-1] for net in nets), strict=False))))
    branches: list[Layer] = []
    for net in nets:
        first, *others = net.layers[shared:]
        if isinstance(first, join) and not others:
            branches += first.branches
        else:
            branches.append(Sequential((first, *others)))
    return Sequential((*nets[0].layers[:shared], join(tuple(branches))))


def _all_same(layers: Sequence[Layer]) -> bool:
    """Whether layers compute the same, bit by bit."""
    first, *others = layers
    return all(
        describe(first) == describe(other)
        and all(map(np.array_equal, arrays(first), arrays(other)))
        for other in others
    )


def taken_apart(net: Layer) -> tuple[Sequential, Conv1d] | None:
    """The phone trunk and its output layer in a network of `assemble`; None in another one.

    Of several trunks the first; one of phones alone ends in a softmax of its output.
    """
    layers = net.layers if isinstance(net, Sequential) else ()
    for place, (layer, after) in enumerate(pairwise(layers)):
        if isinstance(layer, Conv1d) and isinstance(after, Softmax):
            return Sequential(layers[:place]), layer
    return _trunk_in(layers, ())


def _trunk_in(
    layers: Sequence[Layer], before: tuple[Layer, ...]
) -> tuple[Sequential, Conv1d] | None:
    for place, layer in enumerate(layers):
        trunk = (*before, *layers[:place])
        for branch in layer.branches if isinstance(layer, Sum | Concat) else ():
            parts = branch.layers if isinstance(branch, Sequential) else ()
            if len(parts) > 1 and isinstance(parts[0], Conv1d) and isinstance(parts[1], WordPath):
                return Sequential(trunk), parts[0]
            if found := _trunk_in(parts, trunk):
                return found
    return None


def affine(scale: float | Array, offset: float | Array) -> Conv1d:
    """x -> scale * x + offset, a channel for each number of `scale`."""
    scales, offsets = (np.atleast_1d(np.asarray(each, np.float32)) for each in (scale, offset))
    count = len(scales)
    layer = Conv1d.create(np.random.default_rng(0), count, count, kernel=1, groups=count)
    return replace(layer, weight=scales.reshape(layer.weight.shape), bias=offsets)


def _is_affine(layer: Conv1d, channels: int) -> bool:
    return (
        layer.weight.shape == (1, 1, channels)
        and layer.groups == channels
        and layer.stride == (1,)
        and layer.bias is not None
    )
