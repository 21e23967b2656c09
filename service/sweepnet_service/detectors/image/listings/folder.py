"""Which format a folder is kept in, and its pictures of a split as entries."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np

from sweepnet_service.errors import InvalidInput

from ..dataset import Entry, check_inside
from . import classes, coco, voc, yolo
from .listed import SUFFIXES, Listed, has_splits, of_split, split_folder

FORMATS: dict[str, ModuleType] = {
    "COCO": coco,
    "Pascal VOC": voc,
    "YOLO": yolo,
    "class folders": classes,
}


def read_folder(data: Path, group: str, split: str) -> tuple[Entry, ...] | None:
    """The entries of a split of `data/group`, or of `data` where that is no folder; None where it
    is kept in none of the formats.

    Pictures without a label are pictures without objects, and so are those of `data/group` where
    nothing is labelled. Raises InvalidInput for labels that cannot be read, and files that are
    missing or lie outside of `data`.
    """
    own = (data / group).is_dir()
    root = data / group if own else data
    found = format_of(root)
    if own and found is classes:
        # Pictures without objects may lie in folders of any names.
        found = None
    if found is None and not own:
        return None
    if found is None and not _pictures_below(root):
        return None
    listed: list[Listed] = found.read(root, split) if found else _unlabelled(root, split)
    return tuple(_entry(each, data) for each in listed)


def format_of(root: Path) -> ModuleType | None:
    """The format that a folder is kept in, None for none of them."""
    return next((each for each in FORMATS.values() if each.recognised(root)), None)


def _unlabelled(root: Path, split: str) -> list[Listed]:
    """All pictures of a folder, as ones without objects."""
    folder = split_folder(root, split) if has_splits(root) else root
    listed = [Listed(path, []) for path in _pictures_below(folder)] if folder else []
    return listed if has_splits(root) else of_split(listed, split)


def _pictures_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _entry(listed: Listed, data: Path) -> Entry:
    name = listed.path.name
    place = listed.path.relative_to(data).as_posix() if listed.path.is_relative_to(data) else name
    check_inside(data, Path(place), place, place)
    if not listed.path.exists():
        raise InvalidInput(place, "is listed but missing; add the picture or take it off the list")
    boxes = np.array(listed.boxes, np.float64).reshape(-1, 4)
    if not (listed.whole or np.isfinite(boxes).all()) or (boxes[:, 2:] < boxes[:, :2]).any():
        raise InvalidInput(
            place, f"got boxes {boxes.tolist()}; expected finite ones, left before right"
        )
    return Entry(
        listed.path,
        boxes.astype(np.float32),
        listed.marks.names,
        listed.complete,
        "",
        listed.marks,
        whole=listed.whole,
    )
