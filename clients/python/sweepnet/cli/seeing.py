"""What `detect` writes: photos with boxes or with the map of scores, pieces, a COCO file."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sweepnet import Box, Detections, Scored
from sweepnet.cli.output import written
from sweepnet.cli.places import check_free, check_writable, write
from sweepnet.errors import FailedPrecondition

Save = Annotated[
    str | None,
    typer.Option(
        metavar="DIR", help="Write each picture with its boxes drawn (needs sweepnet[plots])."
    ),
]
Heatmap = Annotated[
    str | None,
    typer.Option(
        metavar="DIR", help="Write each picture with the score of every place laid over it."
    ),
]
Crops = Annotated[
    str | None, typer.Option(metavar="DIR", help="Cut out what was found, each as a picture.")
]
Coco = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write all boxes as a COCO file, a start for labelling."),
]
MISSING = "Pillow is missing (pip install 'sweepnet[plots]')"


def folder_of(out: str | None, files: Sequence[str], option: str) -> dict[str, Path]:
    """The JPEG that each picture becomes in the folder; raises before any work where it cannot."""
    if out is None:
        return {}
    if Path(out).exists() and not Path(out).is_dir():
        raise typer.BadParameter(f"got {out!r}, a file; expected a folder", param_hint=option)
    if importlib.util.find_spec("PIL") is None:
        raise FailedPrecondition(f"{option}: {MISSING}")
    places = {name: Path(out) / f"{stem}.jpg" for name, stem in names_of(files).items()}
    for place in places.values():
        check_free(place, files, option)
    check_writable(Path(out), out, option)
    return places


def names_of(files: Sequence[str]) -> dict[str, str]:
    """A name for each picture: its own without folder and suffix where no two share that, else
    with the folders, below the one that all lie in, and the suffix."""
    stems = Counter(Path(name).stem for name in files)
    if len(stems) == len(files):
        return {name: Path(name).stem for name in files}
    paths = {name: Path(os.path.abspath(name)) for name in files}
    top = os.path.commonpath([path.parent for path in paths.values()])
    return {name: str(path.relative_to(top)) for name, path in paths.items()}


def boxes_drawn(results: Iterable[Scored], places: Mapping[str, Path]) -> Iterator[Scored]:
    """The results; each picture is written with its boxes as it passes."""
    from sweepnet.drawing import boxed

    def draw(scored: Scored) -> None:
        if isinstance(scored.result, Detections):
            photo = boxed.photo_of(Path(scored.source))
            boxed.save(boxed.boxed(photo, scored.result), places[scored.source])

    return written(results, draw)


def scores_drawn(results: Iterable[Scored], places: Mapping[str, Path]) -> Iterator[Scored]:
    """The results; each picture is written with the score of every place."""
    from sweepnet.drawing import boxed

    def draw(scored: Scored) -> None:
        result = scored.result
        if not isinstance(result, Detections):
            return
        photo = boxed.photo_of(Path(scored.source))
        for number, scores in enumerate(result.score_maps):
            place = places[scored.source]
            if number:
                place = place.with_name(f"{place.stem}-{number + 1}{place.suffix}")
            boxed.save(boxed.boxed(boxed.heated(photo, scores), result), place)

    return written(results, draw)


def cut_out(results: Iterable[Scored], places: Mapping[str, Path]) -> Iterator[Scored]:
    """The results; what was found in each is written as `NAME-001-label-0.93.jpg`."""
    from sweepnet.drawing import boxed

    def cut(scored: Scored) -> None:
        if not isinstance(scored.result, Detections) or not scored.result.boxes:
            return
        photo, place = boxed.photo_of(Path(scored.source)), places[scored.source]
        for number, box in enumerate(scored.result.boxes, 1):
            label = re.sub(r"[^\w-]+", "_", box.label).strip("_") or "label"
            name = f"{place.stem}-{number:03d}-{label}-{box.score:.2f}.jpg"
            boxed.save(boxed.cut(photo, box), place.with_name(name))

    return written(results, cut)


def listed(results: Iterable[Scored], out: str) -> Iterator[Scored]:
    """The results; after the last one all boxes are written as a COCO file."""
    kept: list[tuple[str, Detections]] = []
    for scored in results:
        if isinstance(scored.result, Detections):
            kept.append((scored.source, scored.result))
        yield scored
    write(Path(out), json.dumps(coco_of(kept), ensure_ascii=False, indent=1) + "\n")
    print(f"coco: {out}", file=sys.stderr)


def check_coco(out: str, files: Sequence[str]) -> None:
    """Raises BadParameter where the file cannot be written."""
    check_free(Path(out), files, "--coco")
    check_writable(Path(out).parent, out, "--coco")


def coco_of(found: Sequence[tuple[str, Detections]]) -> dict[str, Any]:
    """Images, categories and boxes (x, y, width, height, with their scores) as COCO has them."""
    labels = sorted({label for _, result in found for label in result.scores})
    category = {label: number for number, label in enumerate(labels, 1)}
    annotations: list[dict[str, Any]] = []
    for image, (_, result) in enumerate(found, 1):
        for box in result.boxes:
            width, height = box.x_max_px - box.x_min_px, box.y_max_px - box.y_min_px
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": category[box.label],
                    "bbox": [round(v, 2) for v in (box.x_min_px, box.y_min_px, width, height)],
                    "area": round(width * height, 2),
                    "iscrowd": 0,
                    "score": round(box.score, 4),
                    **_turned(box),
                    **_points(box),
                }
            )
    return {
        "images": [
            {"id": number, "file_name": name, "width": r.width_px, "height": r.height_px}
            for number, (name, r) in enumerate(found, 1)
        ],
        "categories": [
            {"id": number, "name": label, **_named(found, label)}
            for label, number in category.items()
        ],
        "annotations": annotations,
    }


def _turned(box: Box) -> dict[str, Any]:
    """The outline of a turned box."""
    outline = [round(value, 2) for corner in box.corners_px for value in corner]
    upright = {box.x_min_px, box.x_max_px} >= {x for x, _ in box.corners_px}
    return {} if upright else {"segmentation": [outline]}


def _points(box: Box) -> dict[str, Any]:
    """Key points as COCO has them: x, y, and 2 for those that are seen."""
    places = [(round(x, 2), round(y, 2), 2) for x, y in box.key_points_px.values()]
    if not places:
        return {}
    return {"keypoints": [value for at in places for value in at], "num_keypoints": len(places)}


def _named(found: Sequence[tuple[str, Detections]], label: str) -> dict[str, Any]:
    """The names of the key points that a label has."""
    boxes = (box for _, result in found for box in result.boxes if box.label == label)
    names = next((list(box.key_points_px) for box in boxes if box.key_points_px), [])
    return {"keypoints": names} if names else {}
