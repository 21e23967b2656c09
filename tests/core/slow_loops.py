"""Every layer once more, from its definition, as plain loops over plain numbers.

`Loop().run(layer, x)` gives the output of any registered layer; `REFERENCES` names them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import groupby, product
from typing import Any

import numpy as np

from tests.core.slow_windows import (
    REFERENCES,
    Loop,
    Place,
    Reference,
    Windows,
    gather,
    inside,
    reference,
)

__all__ = ["REFERENCES", "Loop"]


def pointwise(function: Callable[[Any, float], float]) -> Reference:
    """One number at a time."""

    def run(loop: Loop, layer: Any, x: Any) -> Any:
        return np.array([function(layer, float(v)) for v in x.ravel()]).reshape(x.shape)

    return run


def channelwise(function: Callable[[Any, list[float]], list[float]]) -> Reference:
    """All channels of one place at a time."""

    def run(loop: Loop, layer: Any, x: Any) -> Any:
        y = np.zeros(x.shape)
        for place in np.ndindex(x.shape[:-1]):
            y[place] = function(layer, [float(v) for v in x[place]])
        return y

    return run


def blockwise(function: Callable[[Any, list[float], int], float]) -> Reference:
    """All inputs of one channel within one block at a time, and how many places the block has:
    padding is a place without an input."""

    def run(loop: Loop, layer: Any, x: Any) -> Any:
        batch, *lengths, channels = x.shape
        axes = len(lengths)
        padding = getattr(layer, "padding", ((0, 0),) * axes)
        windows = Windows(lengths, layer.kernel, layer.stride, (1,) * axes, padding)
        outputs = {}
        for n, (place, seen) in product(range(batch), windows):
            kept = [p for p in seen if inside(p, lengths)]
            outputs[n, *place] = [
                function(layer, [float(x[n, *p, c]) for p in kept], len(seen))
                for c in range(channels)
            ]
        return gather(outputs, batch, windows.counts, channels)

    return run


def everywhere(function: Callable[[list[float]], float]) -> Reference:
    """All places of one channel at a time."""

    def run(loop: Loop, layer: Any, x: Any) -> Any:
        rows = x.reshape(len(x), -1, x.shape[-1])
        return np.array(
            [[function([float(v) for v in row[:, c]]) for c in range(x.shape[-1])] for row in rows]
        )

    return run


@reference("Flatten")
def flatten(loop: Loop, layer: Any, x: Any) -> Any:
    return np.array([[float(x[n, *p]) for p in np.ndindex(x.shape[1:])] for n in range(len(x))])


def enlarged(layer: Any, x: Any) -> Place:
    return tuple(n * f for n, f in zip(x.shape[1:-1], layer.factor, strict=True))


@reference("Upsample")
def nearest(loop: Loop, layer: Any, x: Any) -> Any:
    y = np.zeros((len(x), *enlarged(layer, x), x.shape[-1]))
    for n, *place, c in np.ndindex(y.shape):
        y[n, *place, c] = x[n, *(p // f for p, f in zip(place, layer.factor, strict=True)), c]
    return y


@reference("UpsampleZeros")
def zeros_between(loop: Loop, layer: Any, x: Any) -> Any:
    y = np.zeros((len(x), *enlarged(layer, x), x.shape[-1]))
    for n, *place, c in np.ndindex(x.shape):
        y[n, *(p * f for p, f in zip(place, layer.factor, strict=True)), c] = x[n, *place, c]
    return y


@reference("Downsample")
def downsample(loop: Loop, layer: Any, x: Any) -> Any:
    outputs: dict[Place, list[float]] = {}
    for n, *place in np.ndindex(x.shape[:-1]):
        if all(p % f == 0 for p, f in zip(place, layer.factor, strict=True)):
            at = (n, *(p // f for p, f in zip(place, layer.factor, strict=True)))
            outputs[at] = [float(v) for v in x[n, *place]]
    counts = tuple(-(-n // f) for n, f in zip(x.shape[1:-1], layer.factor, strict=True))
    return gather(outputs, len(x), counts, x.shape[-1])


@reference("UpsampleBilinear")
def bilinear(loop: Loop, layer: Any, x: Any) -> Any:
    """Each output at the place of its middle in the input, the nearer inputs weighing more."""
    batch, *lengths, channels = x.shape
    outputs = {}
    for place in np.ndindex(*enlarged(layer, x)):
        middles = [(p + 0.5) / f - 0.5 for p, f in zip(place, layer.factor, strict=True)]
        at = [min(max(v, 0.0), n - 1.0) for v, n in zip(middles, lengths, strict=True)]
        near = {
            source: math.prod(max(0.0, 1 - abs(p - v)) for p, v in zip(source, at, strict=True))
            for source in product(*map(range, lengths))
        }
        for n in range(batch):
            outputs[n, *place] = [
                math.fsum(share * float(x[n, *source, c]) for source, share in near.items())
                for c in range(channels)
            ]
    return gather(outputs, batch, enlarged(layer, x), channels)


@reference("Sequential")
def sequence(loop: Loop, layer: Any, x: Any) -> Any:
    for part in layer.layers:
        x = loop.run(part, x)
    return x


def aligned(loop: Loop, layer: Any, x: Any) -> list[Any]:
    """The branches' outputs from the first place on whose centres all of them have.

    Output i of a branch is centred at the middle of the inputs that it sees, as its window says.
    A causal branch, whose output 0 ends with input 0, stands there, whatever is beside it.
    """
    outputs = [loop.run(branch, x) for branch in layer.branches]
    axes = x.ndim - 2
    for axis in range(axes):
        centres = []
        for branch in layer.branches:
            window = branch.windows[axis] if branch.windows else None
            causal = window is None or window.start + window.size == 1
            first = 0.0 if causal else float(window.start + (window.size - 1) / 2)
            centres.append((first, 1.0 if window is None else float(window.step)))
        latest = max(first for first, _ in centres)
        for index, (first, step) in enumerate(centres):
            drop = 0 if layer.drops is None else layer.drops[index][axis]
            while layer.drops is None and first + (drop + 1) * step <= latest:
                drop += 1
            lost = range(min(drop, outputs[index].shape[1 + axis]))
            outputs[index] = np.delete(outputs[index], lost, axis=1 + axis)
        shortest = min(y.shape[1 + axis] for y in outputs)
        for index, y in enumerate(outputs):
            outputs[index] = np.delete(y, range(shortest, y.shape[1 + axis]), axis=1 + axis)
    return outputs


@reference("Sum")
def added(loop: Loop, layer: Any, x: Any) -> Any:
    outputs = aligned(loop, layer, x)
    y = np.zeros(outputs[0].shape)
    for place in np.ndindex(y.shape):
        y[place] = math.fsum(float(output[place]) for output in outputs)
    return y


@reference("Concat")
def side_by_side(loop: Loop, layer: Any, x: Any) -> Any:
    outputs = aligned(loop, layer, x)
    y = np.zeros((*outputs[0].shape[:-1], sum(output.shape[-1] for output in outputs)))
    for place in np.ndindex(y.shape[:-1]):
        y[place] = [float(value) for output in outputs for value in output[place]]
    return y


@reference("Dilated")
def spread(loop: Loop, layer: Any, x: Any) -> Any:
    """The inner layer on the places that each output sees, cut out one window at a time."""
    axes = len(layer.dilation)
    kernel = tuple(int(window.size) for window in layer.inner.windows)
    ones, none = (1,) * axes, ((0, 0),) * axes
    outputs = {}
    windows = Windows(x.shape[1:-1], kernel, ones, layer.dilation, none)
    for place, seen in windows:
        for n in range(len(x)):
            window = np.array([x[n, *p] for p in seen]).reshape(1, *kernel, x.shape[-1])
            outputs[n, *place] = [float(v) for v in loop.run(layer.inner, window).ravel()]
    return gather(outputs, len(x), windows.counts, len(next(iter(outputs.values()))))


@reference("WordPath")
def word_path(loop: Loop, layer: Any, x: Any) -> Any:
    """Every path of every part of every window: the best whose labels spell a word."""
    outputs = {}
    for n, first in product(range(len(x)), range(x.shape[1] - layer.size + 1)):
        best = layer.floor
        distance = [row - row.max() for row in x[n, first : first + layer.size]]
        for begin in range(layer.size):
            for end in range(begin + 1, layer.size + 1):
                for path in product(range(x.shape[-1]), repeat=end - begin):
                    spelt = tuple(label for label, _ in groupby(path) if label)
                    if spelt in layer.spellings and path[0] and path[-1]:
                        total = sum(distance[begin + i][label] for i, label in enumerate(path))
                        best = max(best, float(total) / len(spelt))
        outputs[n, first] = [best]
    return gather(outputs, len(x), (x.shape[1] - layer.size + 1,), 1)


def _softmax(layer: Any, row: list[float]) -> list[float]:
    total = math.fsum(math.exp(v) for v in row)
    return [math.exp(v) / total for v in row]


def _log_softmax(layer: Any, row: list[float]) -> list[float]:
    return [math.log(p) for p in _softmax(layer, row)]


def _normalised(layer: Any, row: list[float]) -> list[float]:
    return [
        float(layer.scale[c] * (v - layer.mean[c]) / math.sqrt(layer.variance[c] + layer.epsilon))
        + float(layer.shift[c])
        for c, v in enumerate(row)
    ]


def _responses(layer: Any, row: list[float]) -> list[float]:
    reach = layer.size // 2
    sums = [
        math.fsum(v * v for v in row[max(0, c - reach) : c + reach + 1]) for c in range(len(row))
    ]
    return [v / (layer.k + layer.alpha * s) ** layer.beta for v, s in zip(row, sums, strict=True)]


def _median(layer: Any, block: list[float], size: int) -> float:
    ranked = sorted(block)
    return (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2


def _norm(layer: Any, block: list[float], size: int) -> float:
    return (math.fsum(abs(v) ** layer.p for v in block) / size) ** (1 / layer.p)


REFERENCES |= {
    "Identity": pointwise(lambda _, v: v),
    "Dropout": pointwise(lambda _, v: v),
    "Relu": pointwise(lambda _, v: v if v > 0 else 0.0),
    "Sigmoid": pointwise(lambda _, v: 1 / (1 + math.exp(-v))),
    "Tanh": pointwise(lambda _, v: (math.exp(v) - math.exp(-v)) / (math.exp(v) + math.exp(-v))),
    "Silu": pointwise(lambda _, v: v / (1 + math.exp(-v))),
    "LeakyRelu": pointwise(lambda layer, v: v if v > 0 else layer.slope * v),
    "Softmax": channelwise(_softmax),
    "LogSoftmax": channelwise(_log_softmax),
    "BatchNorm": channelwise(_normalised),
    "LocalResponseNorm": channelwise(_responses),
    "MaxPool": blockwise(lambda _, block, size: max(block)),
    "MeanPool": blockwise(lambda _, block, size: math.fsum(block) / size),
    "MedianPool": blockwise(_median),
    "SumPool": blockwise(lambda _, block, size: math.fsum(block)),
    "NormPool": blockwise(_norm),
    "GlobalMaxPool": everywhere(max),
    "GlobalMeanPool": everywhere(lambda values: math.fsum(values) / len(values)),
}
