"""Every layer once more, from its definition, as plain loops over plain numbers.

Nothing is shared with the code under test: a layer gives its settings and arrays only. A loop
walks outputs one by one and counts its multiplications by weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import groupby, product
from typing import Any

import numpy as np

Place = tuple[int, ...]


class Loop:
    """One run: `run(layer, x)` gives the output, `multiplications` says how many it took."""

    def __init__(self) -> None:
        self.multiplications = 0

    def run(self, layer: Any, x: Any) -> Any:
        return REFERENCES[type(layer).__name__](self, layer, x)

    def times(self, weight: float, value: float) -> float:
        self.multiplications += 1
        return weight * value


Reference = Callable[[Loop, Any, Any], Any]
REFERENCES: dict[str, Reference] = {}


def reference(*names: str) -> Callable[[Reference], Reference]:
    """The function computes these layers."""

    def enter(function: Reference) -> Reference:
        REFERENCES.update(dict.fromkeys(names, function))
        return function

    return enter


def each_window(
    lengths: Place, kernel: Place, stride: Place, dilation: Place, padding: Any
) -> Iterator[tuple[Place, list[Place]]]:
    """Every output place with the input places that it sees; some may lie outside (padding)."""
    starts = []
    for n, k, s, d, (before, after) in zip(lengths, kernel, stride, dilation, padding, strict=True):
        last = n + after - d * (k - 1)
        starts.append(list(enumerate(range(-before, last, s))))
    offsets = [[d * i for i in range(k)] for k, d in zip(kernel, dilation, strict=True)]
    for corner in product(*starts):
        seen = [
            tuple(first + off for (_, first), off in zip(corner, offset, strict=True))
            for offset in product(*offsets)
        ]
        yield tuple(i for i, _ in corner), seen


def inside(place: Place, lengths: Place) -> bool:
    return all(0 <= p < n for p, n in zip(place, lengths, strict=True))


def gather(outputs: dict[Place, list[float]], batch: int, axes: int, channels: int) -> Any:
    """An array from {(n, *place): values by channel}, whatever order they were found in."""
    shape = [max((key[1 + a] for key in outputs), default=-1) + 1 for a in range(axes)]
    y = np.zeros((batch, *shape, channels))
    for key, values in outputs.items():
        y[key] = values
    return y


def pointwise(function: Callable[[Any, float], float]) -> Reference:
    """One number at a time."""

    def run(loop: Loop, layer: Any, x: Any) -> Any:
        return np.array([function(layer, float(v)) for v in x.ravel()]).reshape(x.shape)

    return run


def channelwise(function: Callable[[Any, list[float]], list[float]]) -> Reference:
    """All channels of one place at a time."""

    def run(loop: Loop, layer: Any, x: Any) -> Any:
        rows = [function(layer, [float(v) for v in row]) for row in x.reshape(-1, x.shape[-1])]
        return np.array(rows).reshape(*x.shape[:-1], -1)

    return run


def blockwise(function: Callable[[Any, list[float], int], float]) -> Reference:
    """All inputs of one channel within one block at a time, and how many places the block has:
    padding is a place without an input."""

    def run(loop: Loop, layer: Any, x: Any) -> Any:
        batch, *lengths, channels = x.shape
        axes = len(lengths)
        padding = getattr(layer, "padding", ((0, 0),) * axes)
        windows = list(each_window(lengths, layer.kernel, layer.stride, (1,) * axes, padding))
        outputs = {}
        for n, (place, seen) in product(range(batch), windows):
            kept = [p for p in seen if inside(p, lengths)]
            outputs[n, *place] = [
                function(layer, [float(x[n, *p, c]) for p in kept], len(seen))
                for c in range(channels)
            ]
        return gather(outputs, batch, axes, channels)

    return run


def everywhere(function: Callable[[list[float]], float]) -> Reference:
    """All places of one channel at a time."""

    def run(loop: Loop, layer: Any, x: Any) -> Any:
        rows = x.reshape(len(x), -1, x.shape[-1])
        return np.array(
            [[function([float(v) for v in row[:, c]]) for c in range(x.shape[-1])] for row in rows]
        )

    return run


@reference("Conv1d", "Conv2d", "Conv3d")
def convolution(loop: Loop, layer: Any, x: Any) -> Any:
    batch, *lengths, channels = x.shape
    kernel, channels_out = layer.weight.shape[:-2], layer.weight.shape[-1]
    part_in, part_out = channels // layer.groups, channels_out // layer.groups
    windows = list(each_window(lengths, kernel, layer.stride, layer.dilation, layer.padding))
    outputs = {}
    for n, (place, seen) in product(range(batch), windows):
        outputs[n, *place] = values = []
        for d in range(channels_out):
            first = part_in * (d // part_out)
            total = 0.0 if layer.bias is None else float(layer.bias[d])
            for k, p in zip(product(*map(range, kernel)), seen, strict=True):
                for c in range(part_in):
                    value = float(x[n, *p, first + c]) if inside(p, lengths) else 0.0
                    total += loop.times(float(layer.weight[*k, c, d]), value)
            values.append(total)
    return gather(outputs, batch, len(lengths), channels_out)


@reference("Dense")
def dense(loop: Loop, layer: Any, x: Any) -> Any:
    rows = []
    for row in x.reshape(-1, x.shape[-1]):
        rows.append([float(b) for b in layer.bias])
        for c, d in product(*map(range, layer.weight.shape)):
            rows[-1][d] += loop.times(float(layer.weight[c, d]), float(row[c]))
    return np.array(rows).reshape(*x.shape[:-1], -1)


@reference("ScanningMlp")
def scanned(loop: Loop, layer: Any, x: Any) -> Any:
    """Window by window, block by block: the first dense layer on each, the rest on all of them."""
    axes, parts = len(layer.kernel), list(layer.mlp.layers)
    dense = [i for i, part in enumerate(parts) if type(part).__name__ == "Dense"]
    cut = dense[1] if len(dense) > 1 else len(parts)
    plain = (1,) * axes, ((0, 0),) * axes
    outputs = {}
    for n, (place, seen) in product(
        range(len(x)), each_window(x.shape[1:-1], layer.kernel, layer.stride, *plain)
    ):
        window = np.array([x[n, *p] for p in seen]).reshape(*layer.kernel, -1)
        joined: list[float] = []
        for _, block in each_window(layer.kernel, layer.block, layer.block, *plain):
            y = np.array([[v for p in block for v in window[p]]])
            for part in parts[:cut]:
                y = loop.run(part, y)
            joined += list(y[0])
        y = np.array([joined])
        for part in parts[cut:]:
            y = loop.run(part, y)
        outputs[n, *place] = [float(v) for v in y[0]]
    return gather(outputs, len(x), axes, len(next(iter(outputs.values()))))


@reference("LocallyConnected1d", "LocallyConnected2d")
def locally_connected(loop: Loop, layer: Any, x: Any) -> Any:
    axes = layer.axes
    plain = (1,) * axes, ((0, 0),) * axes
    channels_in, channels_out = layer.weight.shape[-2:]
    outputs = {}
    for n, (place, seen) in product(
        range(len(x)), each_window(x.shape[1:-1], layer.kernel, layer.stride, *plain)
    ):
        y = [float(b) for b in layer.bias[place]]
        filters = layer.weight[place].reshape(-1, channels_in, channels_out)
        for (i, p), c, d in product(enumerate(seen), range(channels_in), range(channels_out)):
            y[d] += loop.times(float(filters[i, c, d]), float(x[n, *p, c]))
        outputs[n, *place] = y
    return gather(outputs, len(x), axes, channels_out)


@reference("NetworkPool")
def network_pool(loop: Loop, layer: Any, x: Any) -> Any:
    batch, *lengths, channels = x.shape
    ones = (1,) * len(lengths)
    outputs: dict[Place, list[float]] = {}
    for n, (place, seen) in product(
        range(batch), list(each_window(lengths, layer.kernel, layer.stride, ones, layer.padding))
    ):
        outputs[n, *place] = []
        for c in range(channels):
            block = [float(x[n, *p, c]) if inside(p, lengths) else 0.0 for p in seen]
            outputs[n, *place] += loop.run(layer.net, np.array([block])).tolist()[0]
    return gather(outputs, batch, len(lengths), channels)


@reference("Embedding")
def embedding(loop: Loop, layer: Any, x: Any) -> Any:
    return np.array([[[float(v) for v in layer.weight[word]] for word in row] for row in x])


@reference("Bias")
def bias(loop: Loop, layer: Any, x: Any) -> Any:
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        y[place] = float(x[place]) + float(layer.bias[place[-1]])
    return y


@reference("Flatten")
def flatten(loop: Loop, layer: Any, x: Any) -> Any:
    return np.array([[float(x[n, *p]) for p in np.ndindex(x.shape[1:])] for n in range(len(x))])


@reference("Upsample")
def nearest(loop: Loop, layer: Any, x: Any) -> Any:
    batch, *lengths, channels = x.shape
    outputs = {}
    for n in range(batch):
        for place in product(*(range(m * f) for m, f in zip(lengths, layer.factor, strict=True))):
            source = tuple(p // f for p, f in zip(place, layer.factor, strict=True))
            outputs[n, *place] = [float(x[n, *source, c]) for c in range(channels)]
    return gather(outputs, batch, len(lengths), channels)


@reference("Sequential")
def sequence(loop: Loop, layer: Any, x: Any) -> Any:
    for part in layer.layers:
        x = loop.run(part, x)
    return x


def aligned(loop: Loop, layer: Any, x: Any) -> list[Any]:
    """The branches' outputs from the first place on whose centres all of them have.

    Output i of a branch is centred at the middle of the inputs that it sees, as its window says.
    """
    outputs = [loop.run(branch, x) for branch in layer.branches]
    axes = x.ndim - 2
    for axis in range(axes):
        centres = []
        for branch in layer.branches:
            window = branch.windows[axis] if branch.windows else None
            first = 0.0 if window is None else float(window.start + (window.size - 1) / 2)
            centres.append((first, 1.0 if window is None else float(window.step)))
        latest = max(first for first, _ in centres)
        for index, (first, step) in enumerate(centres):
            drop = 0 if layer.drops is None else layer.drops[index][axis]
            while layer.drops is None and first + (drop + 1) * step <= latest:
                drop += 1
            outputs[index] = np.delete(outputs[index], range(drop), axis=1 + axis)
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
    return gather(outputs, len(x), 1, 1)


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
