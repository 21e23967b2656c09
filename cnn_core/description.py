"""A network as plain data: class names and settings as JSON, arrays by their path.

No code is stored and none is run: classes are looked up in the registry of layers only, and
their settings must be of the types that their fields declare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ModelFileError
from cnn_core.fields import misfits
from cnn_core.layers import Layer

DEEPEST = 100
"""Layers within layers: far beyond real networks, and well within Python's own limit."""

_LAYER, _TENSOR = "layer", "tensor"


def describe(node: object, path: str = "") -> Any:
    """JSON for a layer: `{"layer": class, field: setting | nested | {"tensor": path}}`."""
    if isinstance(node, np.ndarray):
        return {_TENSOR: path}
    if isinstance(node, np.generic):
        return node.item()
    if isinstance(node, Layer):
        nested = {
            field.name: describe(getattr(node, field.name), _join(path, field.name))
            for field in fields(node)
        }
        return {_LAYER: type(node).__name__, **nested}
    if isinstance(node, tuple):
        return [describe(item, _join(path, str(index))) for index, item in enumerate(node)]
    return node


def rebuild(description: Any, tensors: Mapping[str, Array]) -> Layer:
    """The layer that `describe` described, with its arrays.

    Raises ModelFileError for anything else, and for layers that could not run.
    """
    net = _rebuild(description, tensors, "", 2 * DEEPEST)
    if not isinstance(net, Layer):
        raise ModelFileError(f"model description: got {net!r:.80}; expected a layer")
    return net


def _rebuild(node: Any, tensors: Mapping[str, Array], path: str, depth: int) -> Any:
    # Between two layers stands the tuple that holds the inner one.
    if depth == 0:
        raise ModelFileError(f"model description: got more than {DEEPEST} layers in each other")
    if isinstance(node, list):
        return tuple(
            _rebuild(item, tensors, _join(path, str(i)), depth - 1) for i, item in enumerate(node)
        )
    if not isinstance(node, dict):
        return node
    if _TENSOR in node:
        return _tensor(node, tensors, path)
    settings = {
        key: _rebuild(value, tensors, _join(path, key), depth - 1)
        for key, value in node.items()
        if key != _LAYER
    }
    return _build(node.get(_LAYER), settings, path)


def _build(name: Any, settings: dict[str, Any], path: str) -> Layer:
    if not isinstance(name, str) or name not in Layer.registry:
        raise ModelFileError(
            f"model description: got layer {name!r:.80}; expected one of "
            f"{sorted(Layer.registry)}. A newer version of sweepnet may know it"
        )
    where = f"model description: layer {name} at {path or 'the top'} cannot be built"
    if wrong := misfits(Layer.registry[name], settings):
        raise ModelFileError(f"{where}: {wrong}")
    try:
        return Layer.registry[name](**settings)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ModelFileError(f"{where}: {error}") from error


def _tensor(node: dict[str, Any], tensors: Mapping[str, Array], path: str) -> Array:
    if node != {_TENSOR: path}:
        raise ModelFileError(
            f"model description: got {node!r:.80}; expected {{'tensor': {path!r}}}"
        )
    if path not in tensors:
        raise ModelFileError(f"model file: tensor {path!r} is described but not in the file")
    return tensors[path]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
