"""Writes tests/core/golden/format1.safetensors: one of each layer that existed with format 1.

Run once, when a format is new. What it wrote must load for ever and give the same outputs, so it
refuses to write over a file: `python -m tests.core.golden_file`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnn_core import modelfile
from cnn_core.layers import Sequential
from cnn_core.tree import tree_map
from tests.core.cases import double, examples
from tests.core.torch_record import fill, given

GOLDEN = Path(__file__).parent / "golden"
EACH = 3
"""Examples of one kind of layer, at most."""


def write(path: Path) -> None:
    """Every example as one layer of a sequence, which is loaded but not run as a whole."""
    if path.exists():
        raise FileExistsError(f"{path}: a golden file is written once")
    layers, cases = [], []
    for name, layer, shape in examples():
        if int(name.rpartition("-")[2]) >= EACH:
            continue
        layers.append(tree_map(lambda array: array.astype(np.float32), fill(layer)))
        y = double(layers[-1]).forward(given(layer, shape)[0])
        cases.append({"name": name, "shape": shape, "output": np.round(y, 12).tolist()})
    modelfile.save(path, Sequential(tuple(layers)), {"cases": cases})


if __name__ == "__main__":
    write(GOLDEN / f"format{modelfile.FORMAT_VERSION}.safetensors")
