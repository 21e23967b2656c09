"""Settings as plain data, and digests of what is too large to be written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Settings as JSON has them: records with the name of their kind, functions by their name,
    of arrays type and shape alone."""
    if is_dataclass(value) and not isinstance(value, type):
        settings = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, **settings}
    if isinstance(value, partial):
        return [plain(value.func), plain(value.args), plain(value.keywords)]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), *value.shape]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, int | float | str | None):
        return value
    return getattr(value, "__qualname__", type(value).__name__)


def digest(value: Any) -> str:
    """16 characters that tell this value from others: settings, and the numbers of its arrays."""
    hashed = sha256(json.dumps(plain(value)).encode())
    for array in _arrays(value):
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()[:16]


def _arrays(value: Any) -> list[Any]:
    """Every array of numbers, within whatever holds it."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return [value]
    if isinstance(value, Mapping):
        value = value.values()
    elif is_dataclass(value):
        value = [getattr(value, field.name) for field in fields(value)]
    elif not isinstance(value, tuple | list | np.ndarray):
        return []
    return [array for item in value for array in _arrays(item)]
