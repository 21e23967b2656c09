"""Progress of long work for people: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from sweepnet_service.progress import Progress, Report

LINE_EVERY_S = 10.0


@contextmanager
def metered() -> Iterator[Report]:
    """A callback that shows progress on stderr."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]} {task.fields[message]}"),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("starting", total=None, left="", message="")

        def show(progress: Progress) -> None:
            bars.update(
                task,
                description=progress.stage,
                completed=progress.done,
                total=progress.total or None,
                left=left(progress.seconds_left),
                message=progress.message,
            )

        yield show


class _Lines:
    """One line for each stage, and every few seconds within it."""

    def __init__(self) -> None:
        self._stage, self._told_s = "", 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.stage == self._stage and now - self._told_s < LINE_EVERY_S:
            return
        self._stage, self._told_s = progress.stage, now
        parts = (f"{progress.stage} {progress.done}/{progress.total}", left(progress.seconds_left))
        print("  ".join(part for part in (*parts, progress.message) if part), file=sys.stderr)


def left(seconds: float | None) -> str:
    """Time left in words, "" while unknown."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    return f"{minutes} min left" if minutes else f"{seconds:.0f} s left"
