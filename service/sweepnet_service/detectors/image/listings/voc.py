"""Pascal VOC: an XML beside or apart from each picture, with an `object` for each box.

Annotations/x.xml, JPEGImages/x.jpg, ImageSets/Main/train.txt   or   train/x.jpg, train/x.xml
or x.jpg, x.xml. Corners count from 1 there, as in VOC's own; a pixel less matters to no box.
A turned box is a `robndbox` (cx, cy, w, h, angle in radians), as roLabelImg writes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput

from ..annotations import Marks, clockwise
from .listed import SPLITS, Listed, has_splits, of_split, pictures_in, split_folder, text_of

EDGES = ("xmin", "ymin", "xmax", "ymax")
TURNED = ("cx", "cy", "w", "h", "angle")
Object = tuple[str, tuple[float, float, float, float], Array]
"""Name, edges, and corners (4, 2), NaN of an upright box."""


def recognised(root: Path) -> bool:
    """Whether the folder looks like VOC's."""
    places = (root, root / "Annotations", root / "annotations", root / "train")
    return any(place.is_dir() and any(place.glob("*.xml")) for place in places)


def read(root: Path, split: str) -> list[Listed]:
    """The pictures of a split."""
    apart = next((p for n in ("Annotations", "annotations") if (p := root / n).is_dir()), None)
    if apart is None and has_splits(root):
        folder = split_folder(root, split)
        return [] if folder is None else _read(pictures_in(folder), folder, root)
    images = next((p for n in ("JPEGImages", "images") if (p := root / n).is_dir()), root)
    listed = _read(pictures_in(images), apart or images, root)
    lists = {name: names for name in SPLITS if (names := _names(root, name)) is not None}
    if split in lists:
        return [each for each in listed if each.path.stem in lists[split]]
    rest = [each for each in listed if not any(each.path.stem in names for names in lists.values())]
    # With a list of the others, all that is on none is this split's: nothing is on both sides.
    alone = {"train", "val"} - {split} <= lists.keys()
    return rest if alone and split in ("train", "val") else of_split(rest, split)


def _names(root: Path, split: str) -> set[str] | None:
    """The pictures that are listed for a split, None without a list."""
    path = root / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        return None
    return {words[0] for line in text_of(path, root).splitlines() if (words := line.split())}


def _read(pictures: Iterable[Path], labels: Path, root: Path) -> list[Listed]:
    found = []
    for picture in pictures:
        text = labels / f"{picture.stem}.xml"
        rows = _objects(text, root) if text.exists() else []
        corners = np.array([corners for *_, corners in rows]).reshape(-1, 4, 2)
        marks = Marks(tuple(name for name, *_ in rows), _known(corners))
        found.append(Listed(picture, [box for _, box, _ in rows], marks))
    return found


def _known(corners: Array) -> Array:
    """None where no object has corners of its own."""
    return clockwise(corners) if np.isfinite(corners).any() else np.zeros((0, 0, 2))


def _objects(path: Path, root: Path) -> list[Object]:
    """Raises InvalidInput."""
    content, where = text_of(path, root), path.relative_to(root).as_posix()
    if "<!ENTITY" in content:
        raise InvalidInput(where, "declares entities; expected plain annotations")
    try:
        tree = ElementTree.fromstring(content)
        return [_object(each) for each in tree.iter("object")]
    except (ElementTree.ParseError, TypeError, ValueError) as error:
        raise InvalidInput(
            where, f"is no VOC annotation ({error}); expected object, bndbox, xmin ... ymax"
        ) from None


def _object(element: ElementTree.Element) -> Object:
    name, turned = (element.findtext("name") or "").strip(), element.find("robndbox")
    if turned is not None:
        corners = _turned(*_numbers(turned, TURNED))
        low, high = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        return name, (low[0], low[1], high[0], high[1]), corners
    box = element.find("bndbox")
    if box is None:
        raise ValueError("an object without bndbox")
    x0, y0, x1, y1 = _numbers(box, EDGES)
    return name, (x0, y0, x1, y1), np.full((4, 2), np.nan)


def _numbers(element: ElementTree.Element, names: Iterable[str]) -> list[float]:
    return [float(element.findtext(name) or "no number") for name in names]


def _turned(cx: float, cy: float, width: float, height: float, angle: float) -> Array:
    """Corners (4, 2) of a box turned clockwise about its middle."""
    halves = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(halves @ np.array([[cos, sin], [-sin, cos]]) + np.array([cx, cy]))
