"""What the laws run over: every layer's examples, layers of drawn geometry, and their inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_core.arrays import Array
from cnn_core.layers import Conv, Conv1d, Conv2d, Conv3d, Layer, MaxPool, MeanPool, SumPool
from cnn_core.tree import tree_map

LAYERS = sorted(Layer.registry.values(), key=lambda cls: cls.__name__)
Shape = tuple[int, ...]


def examples() -> list[tuple[str, Layer, Shape]]:
    """(name, layer, input shape) of every geometry that a registered layer names."""
    return [
        (f"{cls.__name__}-{index}", layer, shape)
        for cls in LAYERS
        for index, (layer, shape) in enumerate(cls.examples(np.random.default_rng(7)))
    ]


CASES = [pytest.param(layer, shape, id=name) for name, layer, shape in examples()]


def double(layer: Layer) -> Layer:
    """The layer with its arrays in float64."""
    converted: Layer = tree_map(lambda a: a.astype(np.float64), layer)
    return converted


def vocabulary(layer: Layer) -> int | None:
    """How many words the layer knows, if it reads words and not numbers."""
    if type(layer).__name__ == "Embedding":
        return len(layer.weight)  # type: ignore[attr-defined]
    parts = getattr(layer, "layers", ())[:1] or getattr(layer, "branches", ())[:1]
    return vocabulary(parts[0]) if parts else None


def draw(layer: Layer, shape: Shape, rng: np.random.Generator) -> Array:
    """An input of this shape: normal numbers, or words where the layer reads them."""
    words = vocabulary(layer)
    if words is None:
        return rng.standard_normal(shape)
    return rng.integers(0, words, shape)  # type: ignore[return-value]


@st.composite
def convolutions(draw: Any, *, plain: bool = False) -> tuple[Conv, Shape]:
    """Any kernel, stride (beyond the kernel too), dilation, padding, groups; short inputs too.

    A plain one has a kernel of 3, and no stride, dilation or groups.
    """
    cls = draw(st.sampled_from((Conv1d, Conv2d, Conv3d)))
    axes, largest = cls.axes, (0, 6, 4, 3)[cls.axes]

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes)))

    groups, ones = 1 if plain else draw(st.integers(1, 3)), (1,) * axes
    c, d = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    layer = cls.create(
        np.random.default_rng(draw(st.integers(0, 9))), c, d,
        (3,) * axes if plain else numbers(1, 3), groups=groups, bias=draw(st.booleans()),
        stride=ones if plain else numbers(1, 4), dilation=ones if plain else numbers(1, 2),
        padding=tuple(zip(numbers(0, 3), numbers(0, 3), strict=True)),
    )  # fmt: skip
    return double(layer), (draw(st.integers(1, 2)), *numbers(0, largest), c)


@st.composite
def pools(draw: Any) -> tuple[Layer, Shape]:
    """Any kernel, stride (overlapping, side by side, with gaps) and padding; short inputs too."""
    axes = draw(st.integers(1, 3))
    cls = draw(st.sampled_from((MaxPool, MeanPool, SumPool)))

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes)))

    kernel = numbers(1, 3)
    padding = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in kernel)
    layer = cls.create(kernel, stride=numbers(1, 4), padding=padding, axes=axes)
    # Of a block that holds padding alone there is no maximum, so a padded signal holds something.
    return layer, (draw(st.integers(1, 2)), *numbers(int(any(map(any, padding))), 6), 2)
