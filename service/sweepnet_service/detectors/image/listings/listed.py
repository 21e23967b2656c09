"""What every format comes to: a picture, its boxes in pixels and their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweepnet_service.errors import InvalidInput

from ..annotations import Marks

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
HELD_OUT = 0.15
"""The share of a data set without splits of its own that is measured on, by a hash of the names."""
LARGEST_LABELS_BYTES, LARGEST_LIST_BYTES = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Listed:
    """A picture with its boxes (x0, y0, x1, y1, in pixels) and what else is known of each."""

    path: Path
    boxes: Sequence[tuple[float, float, float, float]]
    marks: Marks = field(default_factory=Marks)
    complete: bool = True
    whole: bool = False
    """Whether a box without bounds says that an object is there, and not where."""


def pictures_in(folder: Path) -> Iterator[Path]:
    """The pictures in a folder, in the order of their names."""
    if folder.is_dir():
        yield from sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)


def split_folder(root: Path, split: str) -> Path | None:
    """The folder below `root` that is named after the split, None where there is none."""
    return next((root / n for n in SPLITS.get(split, (split,)) if (root / n).is_dir()), None)


def has_splits(root: Path) -> bool:
    """Whether any folder below is named after a split."""
    return any(split_folder(root, split) for split in SPLITS)


def of_split(listed: Sequence[Listed], split: str) -> list[Listed]:
    """Those of a split, drawn by a hash of the file's name, the same every time; none of test.

    Raises InvalidInput for another split: what is not held out would be measured on.
    """
    drawn = next((name for name, names in SPLITS.items() if split in names), None)
    if drawn is None:
        raise InvalidInput("split", f"got {split!r}; expected {', '.join(SPLITS)}")

    def held_out(each: Listed) -> bool:
        digest = hashlib.sha256(each.path.name.encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT

    return [each for each in listed if held_out(each) == (drawn == "val") and drawn != "test"]


def text_of(path: Path, root: Path, most_bytes: int = LARGEST_LABELS_BYTES) -> str:
    """A text file within `root`, links followed; raises InvalidInput."""
    where = path.relative_to(root).as_posix()
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise InvalidInput(where, "leads out of the data folder; expected a file within it")
        if path.stat().st_size > most_bytes:
            raise InvalidInput(where, f"got {path.stat().st_size} bytes; expected a file of labels")
        return path.read_text(encoding="utf-8")
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise InvalidInput(where, f"cannot be read as text ({error}); check the file") from None
