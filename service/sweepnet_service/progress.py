"""How long work tells where it is: one record, reported by callback."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

REPORT_EVERY_S = 0.5


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `stage` (0: unknown); `seconds_left` of as much of the work as the
    stage can foresee, None while unknown.
    """

    stage: str
    done: int
    total: int
    seconds_left: float | None = None
    message: str = ""


Report = Callable[[Progress], None]


def paced(stage: str, total: int, report: Report) -> Callable[[int], None]:
    """A callback for each unit of a stage that tells its progress now and then, with time left."""
    began_s = told_s = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if done < total and now_s - told_s < REPORT_EVERY_S:
            return
        told_s = now_s
        left_s = (now_s - began_s) * (total - done) / done if done and total else None
        report(Progress(stage, done, total, left_s))

    return tell


def ignored(progress: Progress) -> None:
    """A report that nobody reads."""


def timed(report: Report) -> Report:
    """The same report, with the time left of each stage that tells none itself."""
    stage, first, began_s = "", 0, 0.0

    def tell(progress: Progress) -> None:
        nonlocal stage, first, began_s
        now_s = time.monotonic()
        if progress.stage != stage:
            stage, first, began_s = progress.stage, progress.done, now_s
        done = progress.done - first
        if progress.seconds_left is None and done > 0 and progress.total:
            left_s = (now_s - began_s) * (progress.total - progress.done) / done
            progress = replace(progress, seconds_left=left_s)
        report(progress)

    return tell
