"""`sweepnet detect`: objects in pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from sweepnet import Detections
from sweepnet.cli import explaining
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
from sweepnet.cli.output import Row, print_scored
from sweepnet.options import DetectOptions
from sweepnet.records import detect_record

COLUMNS = ("Size", "Label", "Score", "Boxes (left, top, right, bottom)")


def detect(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Pictures.")],
    as_json: Json = False,
    server: Server = None,
    models: Models = None,
    detector: Detectors = None,
    threshold: Thresholds = None,
    explain: Explain = None,
) -> None:
    """Find objects in pictures (JPEG, PNG, WebP, ...).

    A file that fails is told of, the others go on, and the exit code is 1.
    """
    explaining.check(explain, files)
    wanted = thresholds(threshold)
    options: DetectOptions = {"detectors": detector or ()}
    if explain:
        options |= {"explanations": True, "score_map": True}
    with connected(server, models, detector or ()) as client:
        options |= {"thresholds": wanted.known(client, "image", detector or ())}
        results = client.score_many(files, kind="picture", concurrency=2, detect=options)
        if explain:
            results = explaining.drawn(results, explain)
        print_scored(results, COLUMNS, _rows, detect_record, as_json)


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
