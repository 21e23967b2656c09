"""`--all-windows`: the scores of every window, as lines, while they come."""

from __future__ import annotations

from typing import Annotated

import typer

from sweepnet import ChannelUpdate, SpotOpened, SpotUpdate, WindowScore
from sweepnet.cli.output import print_json

AllWindows = Annotated[
    bool,
    typer.Option(
        "--all-windows",
        help="Print the scores of every window too, as they come: with --json an object a line.",
    ),
]


class WindowLines:
    """Prints windows, as JSON or as columns: file, channel, detector, start, end, scores."""

    def __init__(self, as_json: bool) -> None:
        self._print = _print_json if as_json else _print_columns

    def hear(self, source: str, opened: SpotOpened, update: SpotUpdate) -> None:
        """Print the windows of an update."""
        for channel in update.channels:
            for window in channel.windows:
                self._print(source, channel, window)


def _print_json(source: str, channel: ChannelUpdate, window: WindowScore) -> None:
    """Scores to six digits, which is what single precision holds; times to the millisecond."""
    print_json(
        {
            "source": source,
            "channel": channel.channel,
            "detector": channel.detector,
            "start_s": round(window.start_s, 3),
            "end_s": round(window.end_s, 3),
            "warming": window.warming,
            "scores": {label: float(f"{score:.6g}") for label, score in window.scores.items()},
        }
    )


def _print_columns(source: str, channel: ChannelUpdate, window: WindowScore) -> None:
    span = f"{window.start_s:9.2f} {window.end_s:9.2f} s"
    scores = "  ".join(f"{label} {score:.3f}" for label, score in window.scores.items())
    print(f"{source}  channel {channel.channel}  {channel.detector}  {span}  {scores}")
