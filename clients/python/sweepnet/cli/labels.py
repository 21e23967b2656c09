"""`--labels out.txt`: what was found, as label tracks that Audacity reads."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from sweepnet import Event, Scored, SpotResult
from sweepnet.cli.output import written
from sweepnet.cli.places import write

Labels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="OUT.txt",
        help="Write what was found as an Audacity label track; for several files a folder, with "
        "a track named after each.",
    ),
]


def labelled(results: Iterable[Scored], tracks: Mapping[str, Path]) -> Iterator[Scored]:
    """The results; the track of each is written as it passes, and named on standard error."""

    def label(scored: Scored) -> None:
        if isinstance(scored.result, SpotResult):
            write(tracks[scored.source], track(scored.result.events))
            print(f"labels: {tracks[scored.source]}", file=sys.stderr)

    return written(results, label)


def track(events: Iterable[Event]) -> str:
    """For each event a line, `start TAB end TAB label`, times in seconds; empty without events."""
    return "".join(f"{e.start_s:.6f}\t{e.end_s:.6f}\t{_plain(e.label)}\n" for e in events)


def _plain(label: str) -> str:
    """Without the tabs and line ends that part the columns."""
    return " ".join(label.split())
