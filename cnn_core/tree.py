"""Networks as trees: reach every array of a layer, a gradient or an optimiser's slots.

A tree is a dataclass (its fields), a tuple (its items), or an array (a leaf). Everything else
is a setting and is left as it is. Leaves are visited in field order; a leaf's path, such as
`layers.0.weight`, is also its name in a model file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import Field, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from cnn_core.arrays import Array

Tree = TypeVar("Tree")

STATISTIC = {"statistic": True}
"""Field metadata of arrays that follow the data (running means) instead of the gradient."""


def leaves(tree: object) -> list[tuple[str, Array]]:
    """Every array of the tree with its path."""
    return [(path, array) for path, array, _ in _walk(tree, "", False)]


def statistics(tree: object) -> frozenset[str]:
    """Paths of the arrays that an optimiser must not touch as weights."""
    return frozenset(path for path, _, statistic in _walk(tree, "", False) if statistic)


def count_weights(tree: object) -> int:
    """How many numbers the tree holds, statistics not counted."""
    return sum(array.size for _, array, statistic in _walk(tree, "", False) if not statistic)


def tree_map(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """The tree with `function(array, *arrays at the same place of the others)` for each array."""
    if isinstance(tree, np.ndarray):
        return function(tree, *others)  # type: ignore[no-any-return]
    if isinstance(tree, tuple):
        mapped = (tree_map(function, *items) for items in zip(tree, *others, strict=True))
        return tuple(mapped)  # type: ignore[return-value]
    if is_dataclass(tree) and not isinstance(tree, type):
        changes = {
            field.name: tree_map(
                function,
                getattr(tree, field.name),
                *(getattr(other, field.name) for other in others),
            )
            for field in fields(tree)
        }
        return replace(tree, **changes)
    return tree


def _walk(node: object, path: str, statistic: bool) -> Iterator[tuple[str, Array, bool]]:
    if isinstance(node, np.ndarray):
        yield path, node, statistic
    elif isinstance(node, tuple):
        for index, item in enumerate(node):
            yield from _walk(item, _join(path, str(index)), statistic)
    elif is_dataclass(node) and not isinstance(node, type):
        for field in fields(node):
            yield from _walk(getattr(node, field.name), _join(path, field.name), _follows(field))


def _follows(field: Field[Any]) -> bool:
    return bool(field.metadata.get("statistic", False))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
