"""Folders of classes: DATA/<class>/x.jpg, or DATA/train/<class>/x.jpg. Only presence is known.

Each picture holds what its folder is called, and nothing of the other folders. Pictures in a folder
named as NOTHING hold none of them.
"""

from __future__ import annotations

from pathlib import Path

from ..annotations import Marks
from .listed import SPLITS, Listed, has_splits, of_split, pictures_in, split_folder

NOTHING = frozenset({"negative", "negatives", "none", "nothing", "background", "other", "others"})
RESERVED = NOTHING | {name for names in SPLITS.values() for name in names} | {"images", "labels"}
UNBOUNDED = (0.0, 0.0, float("inf"), float("inf"))
"""Where in the picture it is nobody says."""


def recognised(root: Path) -> bool:
    """Whether there is a folder of pictures that is named after a class, and no list of ours."""
    folder = split_folder(root, "train") if has_splits(root) else root
    return folder is not None and not any(root.glob("*/train.json")) and any(_classes(folder))


def read(root: Path, split: str) -> list[Listed]:
    """The pictures of a split."""
    folder = split_folder(root, split) if has_splits(root) else root
    if folder is None:
        return []
    listed = [
        Listed(picture, [UNBOUNDED], Marks((each.name,)), whole=True)
        for each in _classes(folder)
        for picture in pictures_in(each)
    ]
    for each in sorted(folder.iterdir()):
        if each.name.lower() in NOTHING:
            listed += [Listed(picture, []) for picture in pictures_in(each)]
    return listed if has_splits(root) else of_split(listed, split)


def _classes(folder: Path) -> list[Path]:
    return [
        each
        for each in sorted(folder.iterdir())
        if each.is_dir() and each.name.lower() not in RESERVED and next(pictures_in(each), None)
    ]
