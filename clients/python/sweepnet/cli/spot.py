"""`sweepnet spot`: words in recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sweepnet import Client, Event, Scored, SpotResult
from sweepnet.cli import clips as cutting
from sweepnet.cli import explaining
from sweepnet.cli.clips import Clips
from sweepnet.cli.connection import (
    Detectors,
    FalseAlarms,
    Json,
    Models,
    Server,
    Thresholds,
    connected,
    rate,
    thresholds,
)
from sweepnet.cli.explaining import Explain
from sweepnet.cli.labels import Labels, labelled
from sweepnet.cli.listening import Listener, listened
from sweepnet.cli.output import Row, print_scored
from sweepnet.cli.places import places
from sweepnet.cli.plotting import Pictures, Plot
from sweepnet.cli.raw import Raw, RawFormat, parsed
from sweepnet.cli.windows import AllWindows, WindowLines
from sweepnet.options import SpotOptions
from sweepnet.records import spot_record

COLUMNS = ("Length", "Label", "Highest", "Threshold", "Found")
Stage = Callable[[Iterable[Scored]], Iterator[Scored]]


def spot(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Recordings.")],
    as_json: Json = False,
    server: Server = None,
    models: Models = None,
    detector: Detectors = None,
    threshold: Thresholds = None,
    false_alarms_per_hour: FalseAlarms = None,
    channel: Annotated[
        list[int] | None, typer.Option(help="Channel to score, from 0; all by default.")
    ] = None,
    raw: Raw = None,
    all_windows: AllWindows = False,
    labels: Labels = None,
    plot: Plot = None,
    clips: Clips = None,
    explain: Explain = None,
) -> None:
    """Find spoken words in recordings (WAV, FLAC, OGG, MP3, ...).

    A file that fails is told of, the others go on, and the exit code is 1.
    """
    samples, wanted = parsed(raw), thresholds(threshold)
    options: SpotOptions = {
        "detectors": detector or (),
        "channels": channel or (),
        **rate(false_alarms_per_hour, wanted),
        **(samples.options() if samples else {}),
    }
    pictures = Pictures(places(plot, files, ".png", "--plot")) if plot is not None else None
    listeners: list[Listener] = [WindowLines(as_json)] if all_windows else []
    listeners += [pictures] if pictures else []
    stages = outputs(files, samples, labels, clips, explain)
    stages += [pictures.drawn] if pictures else []
    with connected(server, models, detector or ()) as client:
        options |= {"thresholds": wanted.known(client, "keyword", detector or ())}
        results = scored(client, files, options, listeners, bool(explain))
        for stage in stages:
            results = stage(results)
        print_scored(results, COLUMNS, _rows, spot_record, as_json)


def outputs(
    files: Sequence[str],
    samples: RawFormat | None,
    labels: str | None,
    clips: str | None,
    explain: Path | None,
) -> list[Stage]:
    """What is written of each result as it passes; raises before any work where it cannot be."""
    stages: list[Stage] = []
    if labels is not None:
        stages.append(partial(labelled, tracks=places(labels, files, ".txt", "--labels")))
    if clips is not None:
        names = cutting.check(clips, files)
        stages.append(partial(cutting.cut_out, folder=Path(clips), names=names, raw=samples))
    if explain:
        explaining.check(explain, files)
        stages.append(partial(explaining.drawn, out=explain))
    return stages


def scored(
    client: Client,
    files: Sequence[str],
    options: SpotOptions,
    listeners: Sequence[Listener],
    explanations: bool,
) -> Iterable[Scored]:
    """The results; one recording after another where somebody listens to its updates."""
    if explanations:
        options |= {"explanations": True}
    if explanations or listeners:
        options |= {"replies": "windows"}
    if any(isinstance(each, Pictures) for each in listeners):
        options |= {"features": True}
    if listeners:
        return listened(client, files, options, listeners, keep=explanations)
    return client.score_many(files, kind="audio", concurrency=2, spot=options)


def _rows(result: SpotResult) -> list[Row]:
    """One row for each label: its highest score, the threshold in force and what was found."""
    length = f"{result.duration_s:.2f} s"
    return [
        (length, label, f"{score:.3f}", _threshold(result, label), _found(result, label))
        for label, score in result.scores.items()
    ]


def _threshold(result: SpotResult, label: str) -> str:
    """The threshold of a label, or those of several detectors with that label in their order."""
    told = (each.thresholds[label] for each in result.opened.detectors if label in each.labels)
    return ", ".join(dict.fromkeys(f"{threshold:.3f}" for threshold in told))


def _found(result: SpotResult, label: str) -> str:
    spans = [_span(event, result) for event in result.events if event.label == label]
    return "\n".join(spans) or "-"


def _span(event: Event, result: SpotResult) -> str:
    channel = f" channel {event.channel}" if result.opened.channel_count > 1 else ""
    by = f" by {event.detector}" if len(result.opened.detectors) > 1 else ""
    return f"{event.start_s:.2f}-{event.end_s:.2f} s ({event.score:.2f}){channel}{by}"
