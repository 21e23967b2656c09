"""A line of scores that moves: how far the stream was heard, and each label's highest score."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sweepnet import SpotOpened, SpotUpdate

OVER_S = 1.0
CELLS = 20


class ScoreLine:
    """Shown at the bottom of a terminal while a `with` statement runs."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._scores: deque[tuple[float, str, float]] = deque()

    def show(self, update: SpotUpdate, opened: SpotOpened) -> None:
        """Draw the line anew, where there are new windows."""
        told = False
        for window in update.windows:
            for label, score in window.scores.items():
                self._scores.append((window.end_s, label, score))
                told = True
        if not told:
            return
        while self._scores and self._scores[0][0] < self._scores[-1][0] - OVER_S:
            self._scores.popleft()
        thresholds = {
            label: threshold
            for detector in opened.detectors
            for label, threshold in detector.thresholds.items()
        }
        self._live.update(self.text(update.read_until_s, thresholds), refresh=True)

    def text(self, read_until_s: float, thresholds: dict[str, float]) -> Text:
        """The line: a bar a label, bright where the threshold is reached."""
        highest = dict.fromkeys(thresholds, 0.0)
        for _, label, score in self._scores:
            highest[label] = max(score, highest.get(label, 0.0))
        line = Text(f"{read_until_s:8.1f} s", no_wrap=True, overflow="crop")
        for label, score in highest.items():
            full = round(score * CELLS)
            line.append(f"  {label} ")
            reached = score >= thresholds.get(label, 1.0)
            line.append("█" * full, style="bold green" if reached else "cyan")
            line.append("·" * (CELLS - full) + f" {score:.2f}")
        return line

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Room for a line of something else above it."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()

    def __enter__(self) -> ScoreLine:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()
