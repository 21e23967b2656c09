"""Progress of an archive on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from sweepnet.batch import Progress

LINE_EVERY_S = 10.0


@contextmanager
def metered() -> Iterator[Callable[[Progress], None]]:
    """What to tell progress to."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("", total=None, told="")

        def show(progress: Progress) -> None:
            bars.update(
                task, completed=progress.done, total=progress.total, told=described(progress)
            )

        yield show


class _Lines:
    """A line every few seconds, and one at the end."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now_s = time.monotonic()
        if progress.done < progress.total and now_s - self._told_s < LINE_EVERY_S:
            return
        self._told_s = now_s
        print(f"{progress.done}/{progress.total} files  {described(progress)}", file=sys.stderr)


def described(progress: Progress) -> str:
    """Time left, failures and audio heard, in words; what is not known is left out."""
    left_s = progress.seconds_left if progress.done < progress.total else None
    parts = (
        "" if left_s is None else f"{clock(left_s)} left",
        f"{progress.failed} failed" if progress.failed else "",
        f"{progress.audio_s / 3600:.2f} h of audio" if progress.audio_s else "",
    )
    return "  ".join(part for part in parts if part)


def clock(seconds: float) -> str:
    """`0:42`, `12:05` or `3:07:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
