"""Plain loops over plain numbers: the machinery, and every layer with weights.

Nothing is shared with the code under test: a layer gives its settings and arrays only. A loop
walks outputs one by one and counts its multiplications by weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
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


class Windows:
    """Every output place with the input places that it sees; some may lie outside (padding)."""

    def __init__(
        self, lengths: Place, kernel: Place, stride: Place, dilation: Place, padding: Any
    ) -> None:
        settings = zip(lengths, kernel, stride, dilation, padding, strict=True)
        self.firsts = [
            range(-before, n + after - d * (k - 1), s) for n, k, s, d, (before, after) in settings
        ]
        self.offsets = [[d * i for i in range(k)] for k, d in zip(kernel, dilation, strict=True)]
        self.counts = tuple(map(len, self.firsts))

    def __iter__(self) -> Iterator[tuple[Place, list[Place]]]:
        for place in np.ndindex(*self.counts):
            corner = [firsts[i] for firsts, i in zip(self.firsts, place, strict=True)]
            yield (
                place,
                [tuple(map(sum, zip(corner, off, strict=True))) for off in product(*self.offsets)],
            )


def inside(place: Place, lengths: Place) -> bool:
    return all(0 <= p < n for p, n in zip(place, lengths, strict=True))


def gather(outputs: dict[Place, list[float]], batch: int, counts: Place, channels: int) -> Any:
    """An array from {(n, *place): values by channel}, whatever order they were found in."""
    y = np.zeros((batch, *counts, channels))
    for key, values in outputs.items():
        y[key] = values
    return y


@reference("Conv1d", "Conv2d", "Conv3d")
def convolution(loop: Loop, layer: Any, x: Any) -> Any:
    batch, *lengths, channels = x.shape
    kernel, channels_out = layer.weight.shape[:-2], layer.weight.shape[-1]
    part_in, part_out = channels // layer.groups, channels_out // layer.groups
    windows = Windows(lengths, kernel, layer.stride, layer.dilation, layer.padding)
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
    return gather(outputs, batch, windows.counts, channels_out)


@reference("Dense")
def dense(loop: Loop, layer: Any, x: Any) -> Any:
    rows, channels_out = [], range(layer.weight.shape[-1])
    for row in x.reshape(-1, x.shape[-1]):
        rows.append([0.0 if layer.bias is None else float(layer.bias[d]) for d in channels_out])
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
    windows = Windows(x.shape[1:-1], layer.kernel, layer.stride, *plain)
    for n, (place, seen) in product(range(len(x)), windows):
        window = np.array([x[n, *p] for p in seen]).reshape(*layer.kernel, -1)
        joined: list[float] = []
        for _, block in Windows(layer.kernel, layer.block, layer.block, *plain):
            y = np.array([[v for p in block for v in window[p]]])
            for part in parts[:cut]:
                y = loop.run(part, y)
            joined += list(y[0])
        y = np.array([joined])
        for part in parts[cut:]:
            y = loop.run(part, y)
        outputs[n, *place] = [float(v) for v in y[0]]
    return gather(outputs, len(x), windows.counts, len(next(iter(outputs.values()))))


@reference("LocallyConnected1d", "LocallyConnected2d")
def locally_connected(loop: Loop, layer: Any, x: Any) -> Any:
    axes = layer.axes
    plain = (1,) * axes, ((0, 0),) * axes
    channels_in, channels_out = layer.weight.shape[-2:]
    outputs = {}
    windows = Windows(x.shape[1:-1], layer.kernel, layer.stride, *plain)
    for n, (place, seen) in product(range(len(x)), windows):
        y = [float(b) for b in layer.bias[place]]
        filters = layer.weight[place].reshape(-1, channels_in, channels_out)
        for (i, p), c, d in product(enumerate(seen), range(channels_in), range(channels_out)):
            y[d] += loop.times(float(filters[i, c, d]), float(x[n, *p, c]))
        outputs[n, *place] = y
    return gather(outputs, len(x), windows.counts, channels_out)


@reference("NetworkPool")
def network_pool(loop: Loop, layer: Any, x: Any) -> Any:
    batch, *lengths, channels = x.shape
    ones = (1,) * len(lengths)
    outputs: dict[Place, list[float]] = {}
    windows = Windows(lengths, layer.kernel, layer.stride, ones, layer.padding)
    for n, (place, seen) in product(range(batch), windows):
        outputs[n, *place] = []
        for c in range(channels):
            block = [float(x[n, *p, c]) if inside(p, lengths) else 0.0 for p in seen]
            outputs[n, *place] += loop.run(layer.net, np.array([block])).tolist()[0]
    return gather(outputs, batch, windows.counts, channels)


@reference("Embedding")
def embedding(loop: Loop, layer: Any, x: Any) -> Any:
    return np.array([[[float(v) for v in layer.weight[word]] for word in row] for row in x])


@reference("Bias")
def bias(loop: Loop, layer: Any, x: Any) -> Any:
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        y[place] = float(x[place]) + float(layer.bias[place[-1]])
    return y
