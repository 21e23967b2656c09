"""Pictures that were answered join a data set of an object, whatever its form, as its negatives.

A picture with the object comes with the box that was confirmed, and as one whose labels miss some:
what else it shows nobody was asked. Of a picture without, only what the box framed is known to be
none: that cut is a picture without objects.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from math import ceil, floor
from pathlib import Path
from typing import Any

from sweepnet_service.captures import Capture

SHORTEST_PX = 16
Listing = dict[str, list[dict[str, Any]]]


def add_pictures(
    folder: Path, settings: Mapping[str, Any], answered: Sequence[tuple[Capture, bytes]]
) -> None:
    """A picture an answer, listed in the folder's negatives."""
    from sweepnet_service.detectors.image.dataset import names_of, read_listing

    group = str(settings.get("negatives", "negatives"))
    named = names_of(read_listing(folder, str(settings.get("objects", "flowers")), "train"))
    listing, place = _listing(folder, group), folder / group / "train"
    place.mkdir(parents=True, exist_ok=True)
    for capture, content in answered:
        if capture.answer == "yes":
            _add(listing, capture, place, content, capture.sighting.label in named)
        elif (cut := cut_of(content, capture.sighting.area_px)) is not None:
            (place / f"{capture.id}.png").write_bytes(cut)
            listing["images"].append({"id": capture.id, "file_name": f"{capture.id}.png"})
    _write(folder / group / "train.json", listing)


def _add(listing: Listing, capture: Capture, place: Path, content: bytes, named: bool) -> None:
    """The whole picture with its box; its label where the data set's own objects have names."""
    left, top, right, bottom = capture.sighting.area_px
    (place / f"{capture.id}.picture").write_bytes(content)
    listing["images"].append(
        {"id": capture.id, "file_name": f"{capture.id}.picture", "complete": 0}
    )
    box: dict[str, Any] = {
        "image_id": capture.id,
        "bbox": [left, top, right - left, bottom - top],
    }
    if named:
        number = _category(listing, capture.sighting.label)
        box = {**box, "category_id": number}
    listing["annotations"].append(box)


def _category(listing: Listing, label: str) -> Any:
    """The number that a label has in the listing, which gets it where it has none."""
    for known in listing["categories"]:
        if known.get("name") == label:
            return known["id"]
    numbers = [x["id"] for x in listing["categories"] if isinstance(x.get("id"), int)]
    listing["categories"].append({"id": max(numbers, default=0) + 1, "name": label})
    return listing["categories"][-1]["id"]


def _listing(folder: Path, group: str) -> Listing:
    """The list of the negatives as it is; one that is made where there are pictures alone, and
    then of those to measure on too, which else would no longer be found.
    """
    from sweepnet_service.detectors.image.dataset import read_listing_if_any

    path = folder / group / "train.json"
    if path.exists():
        # Raises what is wrong with it.
        read_listing_if_any(folder, group, "train")
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {
            **kept,
            **{x: list(kept.get(x, ())) for x in ("images", "annotations", "categories")},
        }
    # Both before anything is written, which would be taken for the folders of the splits.
    made = {split: _unlisted(folder, group, split) for split in ("train", "val")}
    for split in made:
        (folder / group / split).mkdir(parents=True, exist_ok=True)
    if made["val"]["images"]:
        _write(folder / group / "val.json", made["val"])
    return made["train"]


def _unlisted(folder: Path, group: str, split: str) -> Listing:
    from sweepnet_service.detectors.image.dataset import read_listing_if_any

    place = folder / group / split
    images = [
        {"id": number, "file_name": os.path.relpath(entry.path, place)}
        for number, entry in enumerate(read_listing_if_any(folder, group, split))
    ]
    return {"images": images, "annotations": [], "categories": []}


def _write(path: Path, listing: Listing) -> None:
    """The file anew: it may be a link to the user's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(listing), encoding="utf-8")


def cut_of(picture: bytes, area_px: Sequence[float]) -> bytes | None:
    """What the box frames, as PNG; None where that is next to nothing."""
    from PIL import Image

    from sweepnet_service.detectors.image.pixels import read_picture

    pixels = read_picture(picture).pixels
    left, top = (max(0, floor(each)) for each in area_px[:2])
    right, bottom = (ceil(each) for each in area_px[2:])
    part = pixels[top:bottom, left:right]
    if min(part.shape[:2]) < SHORTEST_PX:
        return None
    file = io.BytesIO()
    Image.fromarray(part).save(file, "PNG")
    return file.getvalue()
