"""YOLO folders: a text beside each picture, a line `class cx cy w h` (shares) for each object.

images/train/x.jpg, labels/train/x.txt   or   train/images/x.jpg, train/labels/x.txt
or images/x.jpg, labels/x.txt; names in data.yaml, classes.txt or obj.names.
A line with four corners is a turned box; with more it is a polygon, of which the box is taken; or,
where `data.yaml` has a `kpt_shape`, a box and its key points. No text: no object.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput

from ..annotations import Marks, clockwise
from ..pixels import DECODER_ERRORS, FORMATS, SIDEWAYS, orientation
from .listed import Listed, has_splits, of_split, pictures_in, split_folder, text_of

NAMES = ("classes.txt", "obj.names", "labels/classes.txt")
LISTS = ("data.yaml", "data.yml", "dataset.yaml")
NAMED = re.compile(r"^names:[ \t]*(\[[^\]]*\])?[ \t]*$((?:\n[ \t]+[^\n]*|\n-[^\n]*)*)", re.M)
"""The value of `names` in YAML: [a, b], a list of lines, or numbered lines."""
POINTS = re.compile(r"^kpt_shape:[ \t]*\[[ \t]*(\d+)[ \t]*,[ \t]*([23])[ \t]*\]", re.M)
"""How many key points an object has, and whether each tells if it is known."""
FLIPS = re.compile(r"^flip_idx:[ \t]*\[([\d, \t]*)\]", re.M)
"""Where each key point stands in a mirror."""
Pose = tuple[int, int, tuple[int, ...]]
"""Key points of an object, numbers for each, and their places in a mirror, if they are told."""


def recognised(root: Path) -> bool:
    """Whether the folder looks like YOLO's."""
    return any(
        ((root / "labels").is_dir() and (root / "images").is_dir())
        or ((each / "labels").is_dir() and (each / "images").is_dir())
        for each in (root, *(root / n for n in ("train", "valid", "val", "test")))
    )  # fmt: skip


def read(root: Path, split: str) -> list[Listed]:
    """The pictures of a split."""
    names, points = names_of(root), points_of(root)
    if (root / "images").is_dir() and not has_splits(root / "images"):
        listed = _read(root / "images", root / "labels", root, names, points)
        return of_split(listed, split)
    if (root / "images").is_dir():
        images, labels = (split_folder(root / part, split) for part in ("images", "labels"))
    else:
        within = split_folder(root, split)
        images, labels = (within / "images", within / "labels") if within else (None, None)
    return [] if images is None else _read(images, labels, root, names, points)


def _read(
    images: Path, labels: Path | None, root: Path, names: list[str], points: Pose
) -> list[Listed]:
    found = []
    for picture in pictures_in(images):
        text = None if labels is None else labels / f"{picture.stem}.txt"
        lines = [] if text is None or not text.exists() else _lines(text, root, points)
        size = size_of(picture) if lines else (1, 1)
        rows = [numbers for _, numbers in lines]
        boxes = [_box(row[:4] if points[0] else row, size) for row in rows]
        named = tuple(_name(names, number) for number, _ in lines)
        found.append(Listed(picture, boxes, _marks(named, rows, size, points)))
    return found


def _lines(text: Path, root: Path, points: Pose) -> list[tuple[int, list[float]]]:
    """(class, shares) of each line; raises InvalidInput that names file and line."""
    posed = 4 + points[0] * points[1]
    where, rows = text.relative_to(root).as_posix(), []
    for number, line in enumerate(text_of(text, root).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            kind, shares = int(float(parts[0])), [float(part) for part in parts[1:]]
        except (ValueError, OverflowError):
            kind, shares = -1, []
        fits = len(shares) == 4 or (len(shares) > 4 and not len(shares) % 2)
        if kind < 0 or not (len(shares) == posed if points[0] else fits):
            more = f" and {points[0]} key points, as kpt_shape says" if points[0] else ""
            raise InvalidInput(
                f"{where}, line {number}",
                f"got {line[:60]!r}; expected class cx cy width height{more}",
            )
        rows.append((kind, shares))
    return rows


def _box(shares: list[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    width, height = size
    if len(shares) == 4:
        x, y, w, h = shares
        return (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height
    xs, ys = shares[::2], shares[1::2]
    return min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height


def _marks(
    names: tuple[str, ...], rows: list[list[float]], size: tuple[int, int], points: Pose
) -> Marks:
    count, width, flips = points
    if count:
        each = np.array([row[4:] for row in rows]).reshape(len(rows), count, width)
        seen = each[..., 2:] > 0 if width == 3 else np.ones((len(rows), count, 1), bool)
        placed = np.where(seen, each[..., :2] * np.array(size), np.nan)
        named = tuple(f"point_{number}" for number in range(count))
        return Marks(names, points=placed, point_names=named, flips=flips)
    corners = [row if len(row) == 8 else [np.nan] * 8 for row in rows]
    return Marks(names, _placed(np.array(corners).reshape(-1, 4, 2), size))


def _placed(corners: Array, size: tuple[int, int]) -> Array:
    """Shares -> pixels; none where no object has corners of its own."""
    if not np.isfinite(corners).any():
        return np.zeros((0, 0, 2))
    return clockwise(corners * np.array(size))


def _name(names: list[str], number: int) -> str:
    return names[number] if number < len(names) else str(number)


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height after the EXIF turn, from the header; raises InvalidInput."""
    try:
        with Image.open(picture, formats=FORMATS) as image:
            return image.size[::-1] if orientation(image) in SIDEWAYS else image.size
    except (*DECODER_ERRORS, Image.DecompressionBombError) as error:
        raise InvalidInput(picture.name, f"is no picture that can be read ({error})") from None


def names_of(root: Path) -> list[str]:
    """The classes' names in their order, empty where nothing tells them."""
    for name in NAMES:
        if (root / name).is_file():
            return [
                line.strip() for line in text_of(root / name, root).splitlines() if line.strip()
            ]
    for name in LISTS:
        if (root / name).is_file():
            return _from_yaml(text_of(root / name, root))
    return []


def points_of(root: Path) -> Pose:
    """The key points of an object, none where nothing tells any; raises InvalidInput."""
    for name in LISTS:
        if not (root / name).is_file():
            continue
        text = text_of(root / name, root)
        if found := POINTS.search(text):
            count, told = int(found[1]), FLIPS.search(text)
            flips = tuple(map(int, re.findall(r"\d+", told[1]))) if told else ()
            if flips and sorted(flips) != list(range(count)):
                raise InvalidInput(
                    name, f"got flip_idx {list(flips)}; expected each of 0 to {count - 1} once"
                )
            return count, int(found[2]), flips
    return 0, 0, ()


def _from_yaml(text: str) -> list[str]:
    found = NAMED.search(text)
    if found is None:
        return []
    parts = found[1].strip("[]").split(",") if found[1] else found[2].splitlines()
    cleaned = (re.sub(r"^\s*(?:-|\d+\s*:)?\s*", "", part).strip().strip("'\"") for part in parts)
    return [part for part in cleaned if part]
