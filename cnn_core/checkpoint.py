"""Checkpoints: several trees and a record in one file, to go on where a training stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cnn_core.errors import ModelFileError
from cnn_core.modelfile import (
    LARGEST_BYTES,
    read_json,
    read_metadata,
    read_tensors,
    write_tensors,
)
from cnn_core.tree import leaves, tree_map

Tree = TypeVar("Tree")


def save(path: Path, trees: Mapping[str, object], record: Mapping[str, Any]) -> None:
    """Write networks, optimiser states and a JSON record; the file appears whole or not at all."""
    tensors = {
        f"{name}/{place}": np.ascontiguousarray(array)
        for name, tree in trees.items()
        for place, array in leaves(tree)
    }
    write_tensors(path, tensors, {"record": json.dumps(record)})


def load(path: Path, like: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(trees, record): trees of the same structure as `like`, with the saved arrays."""
    # A network with its optimiser's slots may outgrow what a model file may have.
    due_bytes = sum(array.nbytes for tree in like.values() for _, array in leaves(tree))
    metadata, tensors = read_tensors(path, max(LARGEST_BYTES, 2 * due_bytes))

    def fill(name: str, tree: Tree) -> Tree:
        places = iter([place for place, _ in leaves(tree)])

        def take(old: Any) -> Any:
            place = f"{name}/{next(places)}"
            found = tensors.get(place)
            if found is None or (found.shape, found.dtype) != (old.shape, old.dtype):
                raise ModelFileError(
                    f"{path.name}: no tensor {place} of shape {old.shape} and type {old.dtype}; "
                    "the checkpoint belongs to another network"
                )
            return found

        return tree_map(take, tree)

    return {name: fill(name, tree) for name, tree in like.items()}, read_json(
        path, metadata, "record"
    )


def record(path: Path) -> dict[str, Any]:
    """The record of a checkpoint alone."""
    return read_json(path, read_metadata(path), "record")
