"""Handwritten digits (MNIST, LeCun et al. 1998): 10,000 to learn from, 10,000 to be tested on."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_core.arrays import Array, Integers
from cnn_core.augment import Augmentation
from cnn_core.batches import Arrays
from examples.running import ROOT
from sweepnet_service.errors import InvalidInput, NotFound

TRAINING, TEST = 10_000, 10_000
VALIDATION = 2_000
"""Kept from the training digits where settings are chosen."""

NAMES = {"train": ("train-first10k", "train"), "test": ("t10k",)}
"""How the files begin: as in the project's data folder, or as published."""


@dataclass(frozen=True, eq=False)
class Digits:
    """Pictures (N, 28, 28, 1) from 0 (paper) to 1 (ink), and what they say (N,)."""

    pictures: Array
    labels: Integers

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, rows: slice) -> Digits:
        return Digits(self.pictures[rows], self.labels[rows])

    def examples(self, augmentation: Augmentation | None = None) -> Arrays:
        """As `fit` takes them; with an augmentation every batch shows new views."""
        return Arrays(self.pictures, self.labels, augmentation)


def training_digits() -> Digits:
    """The first 10,000 training digits."""
    return _digits("train", TRAINING)


def test_digits() -> Digits:
    """The 10,000 test digits."""
    return _digits("test", TEST)


def folder() -> Path:
    """Where the four files are: images/mnist of the data folder."""
    data = os.environ.get("SWEEPNET_DATA") or ROOT.parent / "shared" / "data"
    return Path(data) / "images" / "mnist"


def _digits(which: str, count: int) -> Digits:
    pictures = _read(which, "images-idx3")[:count, ..., None].astype(np.float32) / 255
    return Digits(pictures, _read(which, "labels-idx1")[:count].astype(np.int64))


def _read(which: str, kind: str) -> NDArray[np.uint8]:
    names = [f"{start}-{kind}-ubyte.gz" for start in NAMES[which]]
    for name in names:
        if (folder() / name).exists():
            return _array(folder() / name)
    raise NotFound(
        str(folder()),
        f"has no {names[0]}; set SWEEPNET_DATA to the folder that holds images/mnist, or put the "
        "four files of MNIST there",
    )


def _array(path: Path) -> NDArray[np.uint8]:
    """An idx file: two zeros, the type (8: bytes), the number of axes, their lengths, the bytes."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError) as error:
        raise InvalidInput(path.name, "is no whole gzip file; fetch it again") from error
    axes = content[3] if len(content) > 4 else 0
    start = 4 + 4 * axes
    shape = np.frombuffer(content[4:start], ">u4")
    if content[:3] != b"\0\0\x08" or len(content) != start + int(shape.prod()):
        raise InvalidInput(path.name, "is no idx file of bytes; fetch it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
