"""What a layer's arrays and settings must be, checked where the layer is made."""

from __future__ import annotations

from cnn_core.arrays import Array
from cnn_core.errors import GeometryError, ShapeError


def check_shape(where: str, array: Array, shape: tuple[int | str, ...]) -> None:
    """Raises ShapeError unless the array has these sizes; a name stands for any size >= 1."""
    fits = array.ndim == len(shape) and all(
        got >= 1 if isinstance(expected, str) else got == expected
        for got, expected in zip(array.shape, shape, strict=True)
    )
    if not fits:
        expected = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ShapeError(f"{where}: got shape {array.shape}; expected ({expected})")


def check_setting(where: str, fits: bool, got: object, expected: str) -> None:
    """Raises GeometryError, with what came and what was expected, unless the setting fits."""
    if not fits:
        raise GeometryError(f"{where}: got {got}; expected {expected}")
