"""What `make peers` records of PyTorch and `make test` compares with: which cases, which numbers.

Weights, inputs and slopes are made of whole numbers alone, so that they are the same everywhere
and need no place in the record. Of each result some entries and one weighted sum are kept.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from zlib import crc32

import numpy as np

from cnn_core.arrays import Array
from cnn_core.description import describe
from cnn_core.layers import Layer
from cnn_core.tree import leaves, statistics, tree_map
from tests.core.cases import Shape, examples, vocabulary

RECORD = Path(__file__).parent / "reference" / "layers.npz"
WITHOUT_PEER: frozenset[str] = frozenset()
"""Layers that PyTorch has no form for."""
KEPT = 16
"""Entries of each result in the record."""
Case = tuple[Layer, Shape, bool]


def cases() -> dict[str, Case]:
    """(layer, input shape, whether in training) by name; weights are those of the record."""
    found: dict[str, Case] = {}
    for name, layer, shape in examples():
        if type(layer).__name__ not in WITHOUT_PEER:
            found[name] = (fill(layer), shape, False)
            if statistics(layer):
                found[f"{name}-training"] = (fill(layer), shape, True)
    return found


def numbers(shape: Shape, seed: int) -> Array:
    """Between -1 and 1, each a scrambled count (Steele et al. 2014, splitmix64)."""
    z = np.arange(prod(shape), dtype=np.uint64) + np.uint64(seed << 32)
    z *= np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)).astype(np.float64) / 2**52 - 1).reshape(shape)


def fill(layer: Layer) -> Layer:
    """The layer with weights of `numbers`; a variance is positive."""
    places = iter(enumerate(path for path, _ in leaves(layer)))

    def value(array: Array) -> Array:
        index, path = next(places)
        drawn = numbers(array.shape, 10 + index)
        return 0.5 + np.abs(drawn) if path.endswith("variance") else drawn

    filled: Layer = tree_map(value, layer)
    return filled


def given(layer: Layer, shape: Shape) -> tuple[Array, Array]:
    """(input, slope of the output); words where the layer reads them."""
    x, words = numbers(shape, 1), vocabulary(layer)
    if words is not None:
        x = (np.abs(x) * words).astype(np.int64)
    return x, numbers(layer.output_shape(shape), 2)


def by_core(layer: Layer, shape: Shape, training: bool) -> list[Array]:
    """[output, slope of the input unless of words, slope of each weight]."""
    x, dy = given(layer, shape)
    y, pull = layer.vjp(x, np.random.default_rng(0) if training else None)
    dx, gradient = pull(dy)
    followed = statistics(gradient)
    slopes = [array for path, array in leaves(gradient) if path not in followed]
    return [y, *([dx] if vocabulary(layer) is None else []), *slopes]


def digest(layer: Layer, shape: Shape, results: list[Array]) -> Array:
    """What the record keeps: a number for the layer itself, entries and sums of the results."""
    told = crc32(json.dumps([describe(layer), shape]).encode())
    kept = [np.array([float(told)])]
    for result in results:
        flat = np.asarray(result, np.float64).ravel()
        chosen = np.linspace(0, flat.size - 1, min(KEPT, flat.size)).astype(int)
        kept += [flat[chosen], [flat @ numbers(flat.shape, 3)]]
    return np.concatenate(kept)
