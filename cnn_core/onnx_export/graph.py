"""An ONNX graph while it is being written: nodes, constants, names.

Within the graph tensors have their channels second, as ONNX's convolutions want them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from cnn_core.arrays import Array, Integers

Sizes = tuple[int | None, ...]
"""A shape with its channels last, as the core has it; None where any size is taken."""

TO_THE_END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Value:
    """A tensor of the graph: its name there, and the core's shape of it."""

    name: str
    shape: Sizes

    @property
    def axes(self) -> int:
        """How many swept axes it has; none once all places are joined."""
        return max(0, len(self.shape) - 2)

    def named(self, name: str) -> Value:
        """Another tensor of the same shape."""
        return replace(self, name=name)


@dataclass
class Graph:
    """Nodes in the order in which they run, and the constants that they read."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """A node; returns the name of its (first) output."""
        name = f"{operator}_{len(self.nodes)}"
        names = [name, *(f"{name}_{more}" for more in range(1, outputs))]
        self.nodes.append(helper.make_node(operator, inputs, names, name=name, **attributes))
        return name

    def constant(self, array: Array | Integers) -> str:
        """Numbers: whole ones as int64, others as float32."""
        whole = np.issubdtype(array.dtype, np.integer)
        stored = np.ascontiguousarray(array, np.int64 if whole else np.float32)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(stored, name))
        return name

    def integers(self, *values: int) -> str:
        """A constant of whole numbers, one axis."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """A constant of one number without axes."""
        return self.constant(np.array(value, np.float32))

    def slice(
        self,
        name: str,
        starts: list[int],
        ends: list[int],
        axes: list[int],
        steps: list[int] | None = None,
    ) -> str:
        """The part of a tensor from `starts` to `ends`, an entry for each of `axes`."""
        places = (starts, ends, axes, steps or [1] * len(axes))
        return self.add("Slice", name, *(self.integers(*part) for part in places))

    def channels_last(self, x: Value) -> str:
        """The tensor with the core's order of axes."""
        if x.axes == 0:
            return x.name
        return self.add("Transpose", x.name, perm=[0, *range(2, x.axes + 2), 1])

    def channels_second(self, name: str, axes: int) -> str:
        """A tensor of the core's order of axes with its channels second."""
        if axes == 0:
            return name
        return self.add("Transpose", name, perm=[0, axes + 1, *range(1, axes + 1)])
