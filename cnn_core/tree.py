"""Networks as trees: reach every array of a layer, a gradient or an optimiser's slots.

A tree is a dataclass (its fields), a tuple (its items), or an array (a leaf). Everything else
is a setting and is left as it is. Leaves are visited in field order; a leaf's path, such as
`layers.0.weight`, is also its name in a model file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from operator import is_
from typing import Any, Literal, TypeVar

import numpy as np

from cnn_core.arrays import Array

Tree = TypeVar("Tree")

Role = Literal["filter", "offset", "statistic"]
"""What an array of a layer is: a weight of its filters, unless the field's metadata say more."""

OFFSET: dict[str, Role] = {"role": "offset"}
"""Field metadata of biases and of what normalisation learns: weights that nothing multiplies."""

STATISTIC: dict[str, Role] = {"role": "statistic"}
"""Field metadata of arrays that follow the data (running means) instead of the gradient."""


def leaves(tree: object) -> list[tuple[str, Array]]:
    """Every array of the tree with its path."""
    return [(path, array) for path, array, _ in _walk(tree, "", "filter")]


def statistics(tree: object) -> frozenset[str]:
    """Paths of the arrays that an optimiser must not touch as weights."""
    return frozenset(path for path, _, role in _walk(tree, "", "filter") if role == "statistic")


def arrays(tree: object) -> list[Array]:
    """Every array of the tree, in the order of its leaves."""
    return [array for _, array, _ in _walk(tree, "", "filter")]


def roles(tree: object) -> list[Role]:
    """The role of every array, in the order of the leaves."""
    return [role for _, _, role in _walk(tree, "", "filter")]


def with_arrays(tree: Tree, replacing: Iterable[Array]) -> Tree:
    """The tree with these arrays in the places of its own."""
    each = iter(replacing)
    return tree_map(lambda _: next(each), tree)


def count_weights(tree: object) -> int:
    """How many numbers the tree holds, statistics not counted."""
    return sum(array.size for _, array, role in _walk(tree, "", "filter") if role != "statistic")


def tree_map(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """The tree with `function(array, *arrays at the same place of the others)` for each array."""
    if isinstance(tree, np.ndarray):
        return function(tree, *others)  # type: ignore[no-any-return]
    if isinstance(tree, tuple):
        items = tuple(tree_map(function, *each) for each in zip(tree, *others, strict=True))
        return tree if all(map(is_, items, tree)) else items  # type: ignore[return-value]
    if is_dataclass(tree) and not isinstance(tree, type):
        changes = {}
        for name, _ in _places(type(tree)):
            old = getattr(tree, name)
            new = tree_map(function, old, *(getattr(other, name) for other in others))
            if new is not old:
                changes[name] = new
        # What holds no array stays the very same object: nothing is built or checked anew.
        return replace(tree, **changes) if changes else tree
    return tree


def _walk(node: object, path: str, role: Role) -> Iterator[tuple[str, Array, Role]]:
    if isinstance(node, np.ndarray):
        yield path, node, role
    elif isinstance(node, tuple):
        for index, item in enumerate(node):
            yield from _walk(item, _join(path, str(index)), role)
    elif is_dataclass(node) and not isinstance(node, type):
        for name, its_role in _places(type(node)):
            yield from _walk(getattr(node, name), _join(path, name), its_role)


@cache
def _places(kind: type[Any]) -> tuple[tuple[str, Role], ...]:
    """Fields of a dataclass, and the role of what each holds."""
    return tuple((f.name, f.metadata.get("role", "filter")) for f in fields(kind))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
