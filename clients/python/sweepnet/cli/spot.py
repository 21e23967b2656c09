"""`sweepnet spot`: words in recordings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sweepnet import Event, SpotResult
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
from sweepnet.options import SpotOptions

COLUMNS = ("Length", "Label", "Score", "Found")


def spot(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Recordings.")],
    as_json: Json = False,
    server: Server = None,
    models: Models = None,
    detector: Detectors = None,
    threshold: Thresholds = None,
    channel: Annotated[
        list[int] | None, typer.Option(help="Channel to score, from 0; all by default.")
    ] = None,
    explain: Explain = None,
) -> None:
    """Find spoken words in recordings (WAV, FLAC, OGG, MP3, ...).

    A file that fails is told of, the others go on, and the exit code is 1.
    """
    explaining.check(explain, files)
    options: SpotOptions = {
        "detectors": detector or (),
        "thresholds": thresholds(threshold),
        "channels": channel or (),
    }
    if explain:
        options |= {"explanations": True, "replies": "windows"}
    with connected(server, models, detector or ()) as client:
        results = client.score_many(files, kind="audio", concurrency=2, spot=options)
        if explain:
            results = explaining.drawn(results, explain)
        print_scored(results, COLUMNS, _rows, spot_json, as_json)


def spot_json(result: SpotResult) -> dict[str, Any]:
    """A result as it is printed, without its source."""
    return {
        "duration_s": result.duration_s,
        "scores": dict(result.scores),
        "events": [_event_json(event) for event in result.events],
    }


def _event_json(event: Event) -> dict[str, Any]:
    return {
        "label": event.label,
        "start_s": event.start_s,
        "end_s": event.end_s,
        "score": event.score,
    }


def _rows(result: SpotResult) -> list[Row]:
    """One row for each label."""
    return [
        (f"{result.duration_s:.2f} s", label, f"{score:.3f}", _found(result, label))
        for label, score in result.scores.items()
    ]


def _found(result: SpotResult, label: str) -> str:
    spans = [_span(event, result) for event in result.events if event.label == label]
    return "\n".join(spans) or "-"


def _span(event: Event, result: SpotResult) -> str:
    channel = f" channel {event.channel}" if result.opened.channel_count > 1 else ""
    return f"{event.start_s:.2f}-{event.end_s:.2f} s ({event.score:.2f}){channel}"
