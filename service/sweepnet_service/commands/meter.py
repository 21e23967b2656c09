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
    """One line for each stage, every few seconds within it, and one at its end."""

    def __init__(self) -> None:
        self._last, self._told_s = Progress("", 0, 0), 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        ended = progress.done == progress.total
        # A stage that comes again, as with a second head, begins below where the last one ended.
        if progress.stage == self._last.stage and progress.done >= self._last.done:
            if ended and progress.done == self._last.done:
                return
            if not ended and now - self._told_s < LINE_EVERY_S:
                return
        self._last, self._told_s = progress, now
        left_s = None if ended else progress.seconds_left
        parts = (f"{progress.stage} {progress.done}/{progress.total}", left(left_s))
        print("  ".join(part for part in (*parts, progress.message) if part), file=sys.stderr)


def left(seconds: float | None) -> str:
    """Time left in words, "" while unknown."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    return f"{minutes} min left" if minutes else f"{seconds:.0f} s left"
