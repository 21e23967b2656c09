"""Whether values that came from a file are what the fields of a layer declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

LARGEST_SETTING = 4096
"""Beyond every kernel, stride, padding or size in use: larger ones only cost time and memory."""


def misfits(cls: type, values: Mapping[str, Any]) -> str:
    """What is wrong with `values` as the fields of the dataclass `cls`; empty if nothing is."""
    declared = _declared(cls)
    if unknown := set(values) - set(declared):
        return f"got a setting {min(unknown)!r}; expected {sorted(declared)}"
    for name, value in values.items():
        if not fits(value, declared[name]):
            return f"{name}: got {_told(value)}; expected {_named(declared[name])}"
    return ""


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the annotated type: numbers no larger than settings are, arrays of
    floating-point numbers with at least one in them."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(fits(value, each) for each in inner)
    if kind is tuple:
        return isinstance(value, tuple) and _all_fit(value, inner)
    if kind is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0
    if hint is int:
        return type(value) is int and abs(value) <= LARGEST_SETTING
    if hint is float:
        return type(value) in (int, float) and abs(value) <= LARGEST_SETTING
    return isinstance(value, hint)


def _all_fit(values: tuple[Any, ...], inner: tuple[Any, ...]) -> bool:
    if inner[-1:] == (...,):
        inner = inner[:1] * len(values)
    return len(values) == len(inner) and all(map(fits, values, inner))


@cache
def _declared(cls: type) -> dict[str, Any]:
    """Annotated types of the dataclass's fields, its class variables left out."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _told(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _named(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    return "an array of floating-point numbers" if "ndarray" in text else text
