"""`sweepnet detect`: objects in pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sweepnet import Detections, Scored
from sweepnet.batch import Progress, found
from sweepnet.cli import explaining, seeing
from sweepnet.cli.connection import (
    Detectors,
    Json,
    Models,
    Server,
    Thresholds,
    connected,
    thresholds,
)
from sweepnet.cli.explaining import Explain
from sweepnet.cli.meter import metered
from sweepnet.cli.output import Row, print_scored
from sweepnet.cli.seeing import Coco, Crops, Heatmap, Save
from sweepnet.options import DetectOptions
from sweepnet.records import detect_record

COLUMNS = ("Size", "Label", "Score", "Boxes (left, top, right, bottom)")
MANY = 10
"""Pictures from which on it is told how far they are."""
Stage = Callable[[Iterable[Scored]], Iterator[Scored]]


def detect(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help="Pictures, folders of them, or patterns such as 'photos/**/*.jpg'.",
        ),
    ],
    as_json: Json = False,
    server: Server = None,
    models: Models = None,
    detector: Detectors = None,
    threshold: Thresholds = None,
    tile: Annotated[
        bool,
        typer.Option(
            "--tile",
            help="Look as finely as the picture's own pixels: small objects, large photos.",
        ),
    ] = False,
    save: Save = None,
    heatmap: Heatmap = None,
    crops: Crops = None,
    coco: Coco = None,
    explain: Explain = None,
) -> None:
    """Find objects in pictures (JPEG, PNG, WebP, BMP, GIF, TIFF).

    A file that fails is told of, the others go on, and the exit code is 1.
    """
    pictures = found(files, "picture")
    wanted = thresholds(threshold)
    stages = outputs(pictures, save, heatmap, crops, coco, explain)
    stages.append(partial(told, total=len(pictures)))
    options: DetectOptions = {"detectors": detector or (), "tile": tile}
    if explain:
        options |= {"explanations": True}
    if explain or heatmap is not None:
        options |= {"score_map": True}
    with connected(server, models, detector or ()) as client:
        options |= {"thresholds": wanted.known(client, "image", detector or ())}
        results: Iterable[Scored] = client.score_many(
            pictures, kind="picture", concurrency=2, detect=options
        )
        for stage in stages:
            results = stage(results)
        print_scored(results, COLUMNS, _rows, detect_record, as_json)


def outputs(
    pictures: Sequence[str],
    save: str | None,
    heatmap: str | None,
    crops: str | None,
    coco: str | None,
    explain: Path | None,
) -> list[Stage]:
    """What is written of each result as it passes; raises before any work where it cannot be."""
    stages: list[Stage] = []
    if saved := seeing.folder_of(save, pictures, "--save"):
        stages.append(partial(seeing.boxes_drawn, places=saved))
    if warm := seeing.folder_of(heatmap, pictures, "--heatmap"):
        stages.append(partial(seeing.scores_drawn, places=warm))
    if cut := seeing.folder_of(crops, pictures, "--crops"):
        stages.append(partial(seeing.cut_out, places=cut))
    if saved and {*saved.values()} & {*warm.values()}:
        raise typer.BadParameter(
            f"got {heatmap!r}, the folder of --save too; expected another", param_hint="--heatmap"
        )
    explaining.check(explain, pictures)
    if explain:
        stages.append(partial(explaining.drawn, out=explain))
    if coco is not None:
        seeing.check_coco(coco, pictures)
        stages.append(partial(seeing.listed, out=coco))
    return stages


def told(results: Iterable[Scored], total: int) -> Iterator[Scored]:
    """The results; of many, it is told on standard error how far they are."""
    if total < MANY:
        yield from results
        return
    began_s, failed = time.monotonic(), 0
    with metered() as tell:
        for done, scored in enumerate(results, 1):
            failed += scored.result is None
            left_s = (time.monotonic() - began_s) / done * (total - done)
            tell(Progress(done, total, failed, 0.0, left_s))
            yield scored


def _rows(result: Detections) -> list[Row]:
    """One row for each label."""
    size = f"{result.width_px} x {result.height_px}"
    return [
        (size, label, f"{score:.3f}", _boxes(result, label))
        for label, score in result.scores.items()
    ]


def _boxes(result: Detections, label: str) -> str:
    told = [
        f"{box.x_min_px:.0f}, {box.y_min_px:.0f}, {box.x_max_px:.0f}, {box.y_max_px:.0f}"
        f" ({box.score:.2f})"
        for box in result.boxes
        if box.label == label
    ]
    return "\n".join(told) or "-"
