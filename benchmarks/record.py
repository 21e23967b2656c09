"""Recorded reference values: what a peer computed, kept small for those who have no peer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array


def record(path: Path, arrays: Mapping[str, Array], tolerance: float = 1e-10) -> None:
    """Compare with the record at `path`; one that is missing or says otherwise is written anew.

    Rounding alone changes nothing, so that the file stays as it is from machine to machine. A
    record that had to be written raises AssertionError: look at what changed, then run again.
    """
    if path.exists() and _same(path, arrays, tolerance):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    raise AssertionError(f"{path.name} was out of date and has been written anew")


def _same(path: Path, arrays: Mapping[str, Array], tolerance: float) -> bool:
    with np.load(path) as kept:
        return set(kept.files) == set(arrays) and all(
            kept[name].shape == array.shape
            and np.allclose(kept[name], array, tolerance, tolerance * np.abs(array).max(initial=0))
            for name, array in arrays.items()
        )
