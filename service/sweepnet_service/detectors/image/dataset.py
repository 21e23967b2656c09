"""A folder of labelled pictures: COCO-style JSON beside each folder of files.

DATA/MANIFEST.csv             optional: file -> source_repo, complete
DATA/<set>/<split>.json       images (file_name, complete), annotations (bbox, category_id, species,
                              and corners, segmentation or keypoints), categories
DATA/<set>/<split>/*.jpg
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.arrays import Array, Flags, Integers
from sweepnet_service.errors import InvalidInput, shown

from .annotations import Marks, marks_of
from .layout import BOX, POINTS, TURNED
from .objects import UNKNOWN, Objects
from .pixels import Pixels, read_picture

MANIFEST = "MANIFEST.csv"
MOST_TOLD = 20
"""Names that a message lists."""


@dataclass(frozen=True)
class Entry:
    """One listed picture: boxes (n, 4) x0, y0, x1, y1 in its pixels, a species name per box.

    `complete` False: some objects have no box, so the rest of the picture is no evidence.
    `marks` has what else is known of each object: its name, its corners, its key points; `labels`
    says which of a detector's labels each has, the first one of all unless they are given.
    """

    path: Path
    boxes: Array
    species: tuple[str, ...]
    complete: bool
    source: str
    marks: Marks = field(default_factory=Marks)
    labels: tuple[int, ...] = ()
    whole: bool = False
    """Whether only is known what the picture holds, and not where: boxes without bounds."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


@dataclass(frozen=True)
class Photo:
    """A decoded picture with its objects: pixels (H, W, 3) uint8.

    `doubtful` (m, 4): regions that may hold objects without a box, whatever `complete` says.
    `mirrored`: where each key point stands once left and right are exchanged.
    """

    name: str
    pixels: Pixels
    objects: Objects
    complete: bool
    doubtful: Array = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    mirrored: tuple[int, ...] = ()

    @property
    def boxes(self) -> Array:
        """Of its objects (n, 4)."""
        return self.objects.boxes


def read_listing(data: Path, group: str, split: str) -> tuple[Entry, ...]:
    """The entries of `data/group/split.json`, in its order; without that file those of a folder as
    other programs keep them (`listings`). Every file lies within `data`.

    Raises InvalidInput, which names the listing by its place within `data`.
    """
    where = f"{group}/{split}.json"
    check_inside(data, Path(where), where, f"{group}/{split}")
    if not _listed_here(data, group, split):
        from .listings import read_folder

        found = read_folder(data, group, split)
        if found is not None:
            return found
    try:
        content = json.loads((data / where).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(where, _missing(data, group)) from None
    except OSError as error:
        raise InvalidInput(where, f"cannot be read ({error.strerror}); check the file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(where, f"is no JSON ({error}); expected a COCO list") from error
    try:
        return _entries(content, data, group, split)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(
            where, f"is no COCO list ({error!r}); expected images and annotations with bbox"
        ) from error


def _missing(data: Path, group: str) -> str:
    """What there is instead of a list; of the folder no more than its own name is told."""
    there = sorted(path.stem for path in (data / group).glob("*.json"))
    expected = (
        f"one of {', '.join(map(shown, there))}"
        if there
        else "a COCO list of pictures, or a folder with COCO, Pascal VOC or YOLO labels,"
    )
    return f"missing; expected {expected} in {shown(data.resolve().name)}"


def read_listing_if_any(data: Path, group: str, split: str) -> tuple[Entry, ...]:
    """As `read_listing`, but no entries where there is no such listing."""
    where = f"{group}/{split}.json"
    check_inside(data, Path(where), where, f"{group}/{split}")
    if (data / where).exists():
        return read_listing(data, group, split)
    if _listed_here(data, group, split) or not (data / group).is_dir():
        return ()
    from .listings import read_folder

    return read_folder(data, group, split) or ()


def is_listed(data: Path, group: str, split: str) -> bool:
    """Whether there is any picture of the split; raises InvalidInput as `read_listing` does."""
    if (data / group / f"{split}.json").exists():
        return True
    if _listed_here(data, group, split):
        return False
    from .listings import read_folder

    return bool(read_folder(data, group, split))


def _listed_here(data: Path, group: str, split: str) -> bool:
    """Whether there is a list of ours for any split: then one that has none is empty."""
    return any((data / group / f"{each}.json").exists() for each in (split, "train", "val"))


def check_inside(data: Path, path: Path, where: str, entry: str) -> None:
    """Raises InvalidInput where `data / path` leads out of `data`, by `..`, root or a link."""
    try:
        inside = (data / path).resolve().is_relative_to(data.resolve())
    except (OSError, RuntimeError, ValueError):  # loops of links, zero bytes
        inside = False
    if not inside:
        raise InvalidInput(
            where, f"got {entry!r}, which leads out of the data folder; expected a file within it"
        )


def _entries(content: Mapping[str, Any], data: Path, group: str, split: str) -> tuple[Entry, ...]:
    sources = _sources(data)
    kinds = {kind["id"]: kind for kind in content.get("categories", ())}
    boxes = _by_image(content.get("annotations", ()))
    prefix = f"{group}/{split}"
    for image in content["images"]:
        name = image["file_name"]
        check_inside(data, Path(prefix) / name, f"{prefix}.json", name)
    return tuple(
        _entry(image, boxes.get(image["id"], ()), kinds, data / prefix, sources, prefix)
        for image in content["images"]
    )


def _sources(data: Path) -> Mapping[str, str]:
    manifest = data / MANIFEST
    check_inside(data, Path(MANIFEST), MANIFEST, MANIFEST)
    if not manifest.exists():
        return {}
    with manifest.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["source_repo"] for row in csv.DictReader(file)}


def _by_image(annotations: Iterable[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    found: dict[int, list[Mapping[str, Any]]] = {}
    for annotation in annotations:
        found.setdefault(annotation["image_id"], []).append(annotation)
    return found


def _entry(
    image: Mapping[str, Any],
    annotations: Collection[Mapping[str, Any]],
    kinds: Mapping[Any, Mapping[str, Any]],
    folder: Path,
    sources: Mapping[str, str],
    prefix: str,
) -> Entry:
    rows = [a["bbox"] for a in annotations]
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in rows], np.float32).reshape(-1, 4)
    name = image["file_name"]
    return Entry(
        path=folder / name,
        boxes=boxes,
        species=tuple(str(a.get("species", "")) for a in annotations),
        complete=bool(image.get("complete", 1)),
        source=sources.get(f"{prefix}/{name}", ""),
        marks=marks_of(annotations, kinds),
    )


def names_of(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The names that any object has, in the order of the alphabet."""
    return tuple(sorted({name for entry in entries for name in entry.marks.names if name}))


def labelled(entries: Sequence[Entry], labels: tuple[str, ...]) -> tuple[Entry, ...]:
    """The entries with the objects of these labels alone, which tell theirs.

    One label that no object has by name is that of all of them, unless they have several names.
    """
    names = names_of(entries)
    if len(labels) == 1 and labels[0] not in names and len(names) <= 1:
        return tuple(entries)
    return tuple(_labelled(entry, labels) for entry in entries)


def check_label(label: str, names: Sequence[str]) -> None:
    """Raises InvalidInput for a label that none of several kinds of objects has."""
    if len(names) > 1 and label not in names:
        raise InvalidInput(
            "label", f"got {shown(label)}, and objects named {_told(names)}; expected one of "
            "these, or '' for each of them"
        )  # fmt: skip


def _told(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return ", ".join(map(shown, names[:MOST_TOLD])) + more


def _labelled(entry: Entry, labels: tuple[str, ...]) -> Entry:
    kept = [at for at, name in enumerate(entry.marks.names) if name in labels]
    return replace(
        entry,
        boxes=entry.boxes[kept],
        species=tuple(entry.species[at] for at in kept),
        marks=entry.marks.taken(kept),
        labels=tuple(labels.index(entry.marks.names[at]) for at in kept),
    )


def without_sources(entries: Iterable[Entry], sources: Collection[str]) -> tuple[Entry, ...]:
    """The entries that come from none of `sources` (repositories as the manifest names them)."""
    return tuple(entry for entry in entries if entry.source not in sources)


def set_aside(
    entries: Iterable[Entry], share: float
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Split by a hash of the file's name, the same every time: (the rest, about `share`)."""
    rest: list[Entry] = []
    aside: list[Entry] = []
    for entry in entries:
        digest = hashlib.sha256(entry.name.encode()).digest()
        part = int.from_bytes(digest[:4], "big") / 2**32
        (aside if part < share else rest).append(entry)
    return tuple(rest), tuple(aside)


def load(entry: Entry, species: tuple[str, ...] = (), shape: str = BOX) -> Photo:
    """Decode one entry; species outside `species` become -1.

    Boxes are cut to the picture; what then has less than a pixel a side is left out. Of a turned
    shape the points are corners, of "points" key points.
    """
    pixels = read_picture(entry.path).pixels
    index = np.array(
        [species.index(name) if name in species else UNKNOWN for name in entry.species], np.int64
    )
    height, width = pixels.shape[:2]
    boxes = _clipped(entry.boxes, width, height)
    objects = Objects.of(boxes, index, _indices(entry), _points(entry, boxes, shape))
    return Photo(
        entry.name,
        pixels,
        objects[_seen(boxes)],
        entry.complete,
        mirrored=entry.marks.mirrored if shape == POINTS else (),
    )


def _indices(entry: Entry) -> Integers | None:
    return np.array(entry.labels, np.int64) if entry.labels else None


def _points(entry: Entry, boxes: Array, shape: str) -> Array | None:
    if shape == TURNED:
        return corners_of(entry, boxes)
    return entry.marks.points if shape == POINTS else None


def corners_of(entry: Entry, boxes: Array) -> Array:
    """Corners (n, 4, 2), clockwise from the top left; those of the upright boxes (n, 4) where an
    object has none of its own."""
    upright = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].astype(np.float64)
    own = entry.marks.corners
    return np.where(np.isfinite(own), own, upright) if len(own) else upright


def cut_to(entry: Entry, width: int, height: int) -> Entry:
    """The entry with its boxes cut to the picture, without the objects of which less than a pixel
    a side is left; `load` learns from the same ones."""
    clipped = _clipped(entry.boxes, width, height)
    kept = np.flatnonzero(_seen(clipped)).tolist()
    return replace(
        entry,
        boxes=clipped[kept],
        species=tuple(entry.species[at] for at in kept),
        marks=entry.marks.taken(kept) if entry.marks.names else entry.marks,
        labels=tuple(entry.labels[at] for at in kept) if entry.labels else (),
    )


def _clipped(boxes: Array, width: int, height: int) -> Array:
    return np.asarray(np.clip(boxes, 0, np.array([width, height, width, height], np.float32)))


def _seen(boxes: Array) -> Flags:
    return np.asarray((boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1), bool)
