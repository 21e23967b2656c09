"""A network as a table: each layer's output, parameters, multiply-adds, receptive field, stride.

Everything follows from geometry: no weight is read and nothing is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from cnn_core.errors import GeometryError
from cnn_core.geometry import Window, Windows, compose
from cnn_core.layers import Layer, Sequential
from cnn_core.tree import count_weights

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One layer. `path` counts layers and branches from 0: "4.1.0" is in branch 1 of layer 4.

    `windows` is what one output sees of the network's input, an axis each; None where no window
    tells it, as after `Flatten`. A row of branches joined has no weights: its branches follow.
    """

    path: str
    layer: str
    output_shape: Shape
    parameters: int
    multiply_adds: int
    windows: Windows | None

    @property
    def depth(self) -> int:
        """How many joined layers it is within."""
        return (self.path.count(".") + 1) // 2

    @property
    def receptive_field(self) -> Shape | None:
        """Inputs along each axis that one output may see."""
        if self.windows is None:
            return None
        return tuple(ceil(window.size + window.slack) for window in self.windows)

    @property
    def stride(self) -> tuple[float, ...] | None:
        """Inputs along each axis from one output to the next; below 1 after upsampling."""
        if self.windows is None:
            return None
        return tuple(float(window.step) for window in self.windows)


@dataclass(frozen=True)
class Summary:
    """The rows of a network for inputs of one shape; printed, it is a table of plain text."""

    input_shape: Shape
    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        """Weights in all; running statistics are not counted."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiplications by weights in one forward pass, each with its addition."""
        return sum(row.multiply_adds for row in self.rows)

    def __str__(self) -> str:
        head = ("", "layer", "output", "parameters", "multiply-adds", "sees", "stride")
        cells = [head, *map(_cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in cells]
        total = f"{self.parameters:,} parameters, {self.multiply_adds:,} multiply-adds"
        return "\n".join([*lines, f"{total} for an input of {times(self.input_shape)}"])


def summary(net: Layer, input_shape: Shape) -> Summary:
    """The table of a network for inputs of this shape, (N, *in, C).

    Raises ShapeError or GeometryError where a layer does not take what the one before gives, or
    leaves nothing of it.
    """
    axes = max(0, len(input_shape) - 2)
    layers = net if isinstance(net, Sequential) else Sequential((net,))
    rows = tuple(_rows(layers, input_shape, (Window(),) * axes, ""))
    return Summary(tuple(input_shape), rows)


def _rows(layer: Layer, shape: Shape, seen: Windows | None, path: str) -> Iterator[Row]:
    """Rows of a layer whose inputs have this shape and see so much of the network's input."""
    if isinstance(layer, Sequential):
        for index, each in enumerate(layer.layers):
            yield from _rows(each, shape, seen, _join(path, index))
            shape, seen = each.output_shape(shape), _composed(seen, each)
        return
    output_shape = layer.output_shape(shape)
    if 0 in output_shape and 0 not in shape:
        raise GeometryError(
            f"{layer}: leaves nothing of an input of shape {shape}; expected a larger one"
        )
    branches: tuple[Layer, ...] = getattr(layer, "branches", ())
    yield Row(
        path=path,
        layer=str(layer),
        output_shape=output_shape,
        parameters=0 if branches else count_weights(layer),
        multiply_adds=0 if branches else layer.multiply_adds(shape),
        windows=_composed(seen, layer),
    )
    for index, branch in enumerate(branches):
        yield from _rows(branch, shape, seen, _join(path, index))


def _composed(seen: Windows | None, layer: Layer) -> Windows | None:
    """What the layer's outputs see; None once a layer joins all places."""
    try:
        return None if seen is None else compose((seen, layer.windows))
    except GeometryError:
        return None


def _join(path: str, index: int) -> str:
    return f"{path}.{index}" if path else str(index)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.path,
        "  " * row.depth + row.layer,
        times(row.output_shape),
        f"{row.parameters:,}" if row.parameters else "",
        f"{row.multiply_adds:,}" if row.multiply_adds else "",
        times(row.receptive_field or ()),
        times(row.stride or ()),
    )


def times(sizes: tuple[float, ...]) -> str:
    """Sizes as one reads them: 56 x 56 x 64."""
    return " x ".join(f"{size:,.0f}" if size == int(size) else f"{size:g}" for size in sizes)


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """Text to the left, numbers to the right."""
    numbers = range(3, 5)
    return [
        cell.rjust(width) if place in numbers else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
