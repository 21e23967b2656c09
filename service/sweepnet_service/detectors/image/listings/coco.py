"""COCO JSON: `train/_annotations.coco.json` beside its pictures, or `annotations/*train*.json`, or
one JSON at the top, or one named after each split, with the pictures beside it, in `images/` or in
a folder of the split. `"complete": 0` in an image says that its labels miss some objects."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweepnet_service.errors import InvalidInput

from ..annotations import marks_of
from .listed import LARGEST_LIST_BYTES, SPLITS, Listed, of_split, split_folder, text_of

BESIDE = "_annotations.coco.json"
NAMES = frozenset(name for names in SPLITS.values() for name in names)
"""What files of one split are called."""


def recognised(root: Path) -> bool:
    """Whether the folder looks like COCO's."""
    return _found(root, "train") is not None


def read(root: Path, split: str) -> list[Listed]:
    """The pictures of a split."""
    found = _found(root, split)
    if found is None:
        return []
    path, folders, own = found
    listed = _listed(path, folders, root)
    return listed if own else of_split(listed, split)


def _found(root: Path, split: str) -> tuple[Path, list[Path], bool] | None:
    """The JSON, where its pictures may lie, and whether it is of this split alone."""
    within = split_folder(root, split)
    if within is not None and (within / BESIDE).is_file():
        return within / BESIDE, [within], True
    beside = next((p for n in SPLITS.get(split, ()) if (p := root / f"{n}.json").is_file()), None)
    if beside is not None and within is not None:
        return beside, [within], True
    lists = sorted((root / "annotations").glob("*.json"), key=_boxes_first)
    named = [path for path in lists if _words(path).intersection(SPLITS.get(split, (split,)))]
    inside = sorted(p for p in root.glob("*") if p.is_dir() and p.name.startswith(split))
    if named:
        return named[0], [*inside, root / "images", root], True
    alone = [*lists, *sorted(root.glob("*.json"))]
    # What is named after another split is that split's alone: none of it is held out.
    if len(alone) != 1 or (alone[0] in lists and _words(alone[0]).intersection(NAMES)):
        return None
    return alone[0], [root, root / "images", *inside], False


def _words(path: Path) -> set[str]:
    """The words of a file's name: instances_val2017.json -> {"instances", "val"}."""
    return set(re.findall("[a-z]+", path.stem.lower()))


def _boxes_first(path: Path) -> tuple[bool, str]:
    """COCO keeps captions and key points of the same pictures beside the boxes."""
    return "instances" not in _words(path), path.name


def _listed(path: Path, folders: list[Path], root: Path) -> list[Listed]:
    try:
        content = json.loads(text_of(path, root, LARGEST_LIST_BYTES))
        kinds = {each["id"]: each for each in content.get("categories", ())}
        rows: dict[Any, list[Mapping[str, Any]]] = {}
        for row in content.get("annotations", ()):
            rows.setdefault(row["image_id"], []).append(row)
        return [
            _picture(image, rows.get(image["id"], []), kinds, folders)
            for image in content["images"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            path.relative_to(root).as_posix(),
            f"is no COCO list ({error!r}); expected images and annotations with bbox",
        ) from None


def _picture(
    image: Mapping[str, Any],
    rows: list[Mapping[str, Any]],
    kinds: Mapping[Any, Mapping[str, Any]],
    folders: list[Path],
) -> Listed:
    name = str(image["file_name"])
    path = next((p for folder in folders if (p := folder / name).exists()), folders[0] / name)
    boxes = []
    for x, y, w, h in (row["bbox"] for row in rows):
        boxes.append((float(x), float(y), float(x + w), float(y + h)))
    return Listed(path, boxes, marks_of(rows, kinds), bool(image.get("complete", 1)))
