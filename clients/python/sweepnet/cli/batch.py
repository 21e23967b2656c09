"""`sweepnet batch`: archives of recordings and pictures into one file of results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from sweepnet import records
from sweepnet._retrying import passing
from sweepnet._sources import SourceKind
from sweepnet.batch import Report, found, listed, score_archive, writing
from sweepnet.batch.archive import PATIENCE_S
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
from sweepnet.cli.ending import FAILED
from sweepnet.cli.meter import metered
from sweepnet.cli.output import print_json
from sweepnet.cli.plan import KINDS, planned
from sweepnet.cli.raw import Raw, parsed
from sweepnet.errors import InvalidInput, NotFound, SweepnetError
from sweepnet.options import SpotOptions
from sweepnet.records import Rows

WRONG_USE, STOPPED, INTERRUPTED = 2, 3, 130
FAILURES_SHOWN = 20


def batch(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILES]...",
            help="Recordings and pictures, folders of them, or patterns such as 'calls/**/*.wav'.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Results: a .jsonl, .csv or .parquet file.", show_default=False
        ),
    ] = ...,  # type: ignore[assignment]  # typer's mark of what must be given
    lists: Annotated[
        list[str] | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="List of files: a path a line, CSV with a column file, or JSON lines; - for "
            "standard input.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="audio|picture",
            help="What all the files are; by default each one's looks tell.",
        ),
    ] = None,
    rows: Annotated[
        str,
        typer.Option(
            metavar="labels|finds",
            help="Rows of CSV and Parquet: one for each label of a file, or one for each word or "
            "box found.",
        ),
    ] = "labels",
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, max=256, help="Files at once; by default one a core."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Score all files anew, whatever the journal holds.")
    ] = False,
    patience_s: Annotated[
        float,
        typer.Option(
            "--patience", metavar="S", min=0, help="Wait so long for a server that is away or full."
        ),
    ] = PATIENCE_S,
    detector: Detectors = None,
    threshold: Thresholds = None,
    false_alarms_per_hour: FalseAlarms = None,
    raw: Raw = None,
    as_json: Json = False,
    server: Server = None,
    models: Models = None,
) -> None:
    """Score an archive: thousands of recordings and pictures, each exactly once.

    What is done is kept in OUT.journal. A run that was stopped (Ctrl-C, a lost server, kill -9)
    goes on with the same command, which then also scores new files and tries again what failed.

    Ends with 0 where every file was scored, 1 where some failed (they are listed, and stand in
    the results with their error), 2 for wrong use, 3 where the server went away for longer than
    --patience or the disk is full, 130 for Ctrl-C; after 3 and 130 the same command goes on.
    """
    with _wrong_use():
        writing.checked(out)
        records.checked(rows)
    wanted, samples = thresholds(threshold), parsed(raw)
    only = _kind(kind)
    spot: SpotOptions = {
        **rate(false_alarms_per_hour, wanted),
        **(samples.options() if samples else {}),
    }
    with _stopping(out), connected(server, models, detector or ()) as client:
        asked = {name: client.model(name) for name in detector or ()}
        plan = planned(client.models(), asked, wanted, only)
        with _wrong_use():
            sources = _sources(files or (), lists or (), plan.kind)
        with metered() as progress:
            report = score_archive(
                client,
                sources,
                out,
                kind=plan.kind,
                concurrency=jobs or _cores(),
                spot=plan.spot | spot,
                detect=plan.detect,
                rows=cast("Rows", rows),
                fresh=fresh,
                patience_s=patience_s,
                progress=progress,
            )
    _tell(report, as_json)


@contextmanager
def _wrong_use() -> Iterator[None]:
    """What was named wrongly ends as any wrong use does."""
    try:
        yield
    except (InvalidInput, NotFound) as error:
        raise typer.BadParameter(error.message) from None


@contextmanager
def _stopping(out: Path) -> Iterator[None]:
    """What stops a run, or keeps it from beginning, ends as it says; 1 would promise results."""
    try:
        yield
    except SweepnetError as error:
        if not passing(error):
            print(f"sweepnet batch: {error.message}", file=sys.stderr)
            raise typer.Exit(WRONG_USE) from None
        print(f"sweepnet batch: {error.message}; {GOES_ON}", file=sys.stderr)
        raise typer.Exit(STOPPED) from None
    except OSError as error:
        place, reason = error.filename or out, error.strerror or type(error).__name__
        print(f"sweepnet batch: {place}: {reason}; {GOES_ON}", file=sys.stderr)
        raise typer.Exit(STOPPED) from None
    except KeyboardInterrupt:
        print(f"sweepnet batch: stopped; {GOES_ON}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


GOES_ON = "nothing that was scored is lost: the same command goes on"


def _kind(given: str | None) -> SourceKind | None:
    if given not in (None, *KINDS.values()):
        raise typer.BadParameter(
            f"got {given!r}; expected {' or '.join(KINDS.values())}", param_hint="--kind"
        )
    return given


def _sources(files: Sequence[str], lists: Sequence[str], kind: SourceKind | None) -> list[str]:
    if not files and not lists:
        raise typer.BadParameter(
            "nothing to score; expected files, folders or patterns, or --list FILE"
        )
    named = [path for place in lists for path in listed(place)]
    return list(dict.fromkeys([*found(files, kind), *named]))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell(report: Report, as_json: bool) -> None:
    """The report; ends with 1 where a file failed."""
    if as_json:
        print_json(_record(report))
    else:
        for failure in report.failures[:FAILURES_SHOWN]:
            print(f"{failure.source}: {failure.error}", file=sys.stderr)
        more = len(report.failures) - FAILURES_SHOWN
        if more > 0:
            print(f"and {more} more, all of them in {report.out}", file=sys.stderr)
        before = f", {report.scored_before} before" if report.scored_before else ""
        print(f"{report.out}: {report.scored} scored{before}, {len(report.failures)} failed")
    if report.failures:
        raise typer.Exit(FAILED)


def _record(report: Report) -> dict[str, Any]:
    return {
        "out": str(report.out),
        "scored": report.scored,
        "scored_before": report.scored_before,
        "failed": [{"source": each.source, "error": each.error} for each in report.failures],
    }
