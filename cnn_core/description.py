"""A network as plain data: class names and settings as JSON, arrays by their path.

No code is stored and none is run: classes are looked up in the registry of layers only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import CoreError, ModelFileError
from cnn_core.layers import Layer

_LAYER, _TENSOR = "layer", "tensor"


def describe(node: object, path: str = "") -> Any:
    """JSON for a layer: `{"layer": class, field: setting | nested | {"tensor": path}}`."""
    if isinstance(node, np.ndarray):
        return {_TENSOR: path}
    if isinstance(node, Layer):
        nested = {
            field.name: describe(getattr(node, field.name), _join(path, field.name))
            for field in fields(node)
        }
        return {_LAYER: type(node).__name__, **nested}
    if isinstance(node, tuple):
        return [describe(item, _join(path, str(index))) for index, item in enumerate(node)]
    return node


def rebuild(description: Any, tensors: Mapping[str, Array]) -> Any:
    """The layer that `describe` described, with its arrays."""
    if isinstance(description, list):
        return tuple(rebuild(item, tensors) for item in description)
    if not isinstance(description, dict):
        return description
    if _TENSOR in description:
        return _tensor(description[_TENSOR], tensors)
    settings = dict(description)
    name = settings.pop(_LAYER, None)
    if name not in Layer.registry:
        raise ModelFileError(
            f"model description: got layer {name!r}; expected one of {sorted(Layer.registry)}. "
            "A newer version of sweepnet may know it"
        )
    try:
        return Layer.registry[name](**{key: rebuild(v, tensors) for key, v in settings.items()})
    except (TypeError, CoreError) as error:
        raise ModelFileError(f"model description: layer {name} cannot be built: {error}") from error


def _tensor(path: Any, tensors: Mapping[str, Array]) -> Array:
    if path not in tensors:
        raise ModelFileError(f"model file: tensor {path!r} is described but not in the file")
    return tensors[path]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
