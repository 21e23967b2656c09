"""Draws what was heard in a recording: spectrogram, score curves with thresholds, events."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sweepnet import Event, SpotResult

from .canvas import FAINT, INK, plain, save
from .hearing import Hearing

MOST_CHANNELS = 4
NAME_ROWS = 4
# Shares of the picture's width: a letter, an event that shows as more than a line, and where names
# are written to the left.
NAME_SHARE, SEEN_SHARE, LATE_SHARE = 0.0062, 0.004, 0.9
MINUTE_S = 60
ROUND_HZ = (125, 250, 500, 1000, 2000, 4000, 8000, 16_000)
# Okabe and Ito's, told apart by colour-blind readers too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")


def draw_spotted(name: str, result: SpotResult, hearing: Hearing, path: Path) -> None:
    """A spectrogram and the scores below it, for each of the first channels."""
    channels = hearing.opened.channels[:MOST_CHANNELS]
    colours = colours_of(hearing)
    height = 1.1 + (5.4 if len(channels) == 1 else 3.9) * len(channels)
    figure = Figure(figsize=(14, height), layout="constrained", facecolor="white")
    grid = figure.subplots(2 * len(channels), 1, sharex=True, squeeze=False,
                           height_ratios=[1.25, 1] * len(channels))[:, 0]  # fmt: skip
    for channel, above, below in zip(channels, grid[::2], grid[1::2], strict=True):
        events = [event for event in result.events if event.channel == channel]
        _spectrogram(above, hearing, channel)
        _brackets(above, events, colours, result.duration_s)
        _scores(below, hearing, channel, events, colours)
        if hearing.opened.channel_count > 1:
            above.set_title(f"channel {channel}", loc="left", fontsize=11, color=INK, pad=10)
    grid[0].set_xlim(0, max(result.duration_s, 1e-3))
    _time_axis(grid[-1], result.duration_s)
    figure.suptitle(_title(name, result, hearing), fontsize=14, color=INK, x=0.01, ha="left",
                    weight="bold")  # fmt: skip
    _legend(figure, hearing, colours)
    save(figure, path)


def colours_of(hearing: Hearing) -> Mapping[str, str]:
    """A colour for each label."""
    labels = dict.fromkeys(x for each in hearing.opened.detectors for x in each.labels)
    return {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(labels)}


def _title(name: str, result: SpotResult, hearing: Hearing) -> str:
    count = len(result.events)
    found = f"{count} word{'' if count == 1 else 's'} found" if count else "nothing found"
    more = len(hearing.opened.channels) - MOST_CHANNELS
    rest = f", {more} more channels not drawn" if more > 0 else ""
    return f"{name}: {found} in {_length(result.duration_s)}{rest}"


def _length(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < MINUTE_S else f"{_clock(seconds)} (h:mm:ss)"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _spectrogram(axes: Axes, hearing: Hearing, channel: int) -> None:
    """The features that the network saw, low bands at the bottom."""
    spectrum = hearing.spectra[channel]
    rows = spectrum.frames.values
    plain(axes)
    if not rows:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "too short for a frame", transform=axes.transAxes, color=FAINT,
                  ha="center")  # fmt: skip
        return
    axes.imshow(
        list(zip(*rows, strict=True)),
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, spectrum.length_s, -0.5, len(rows[0]) - 0.5),
        interpolation="nearest" if len(rows) < 200 else "antialiased",
    )
    _band_axis(axes, hearing.opened.detectors[0].band_centres_hz)


def _band_axis(axes: Axes, centres_hz: Sequence[float]) -> None:
    """Ticks at round frequencies, each between the bands whose centres it lies between."""
    axes.set_ylabel("kHz, mel scale" if centres_hz else "mel band", color=INK)
    ticks = [hz for hz in ROUND_HZ if centres_hz and centres_hz[0] <= hz <= centres_hz[-1]]
    if ticks:
        axes.set_yticks(
            [_place(hz, centres_hz) for hz in ticks], [f"{hz / 1000:g}" for hz in ticks]
        )


def _place(hz: float, centres_hz: Sequence[float]) -> float:
    """Which band, and how far to the next."""
    above = max(1, bisect_left(centres_hz, hz))
    low, high = centres_hz[above - 1], centres_hz[above]
    return above - 1 + (hz - low) / (high - low)


def _brackets(
    axes: Axes, events: Sequence[Event], colours: Mapping[str, str], duration_s: float
) -> None:
    """A bar above each event and lines at its ends, and its name where there is room."""
    above = axes.get_xaxis_transform()
    for event in events:
        span, colour = [event.start_s, event.end_s], colours[event.label]
        axes.plot(span, [1.02] * 2, color=colour, lw=5, transform=above, clip_on=False,
                  solid_capstyle="projecting")  # fmt: skip
        if span[1] - span[0] > SEEN_SHARE * duration_s:
            for edge_s in span:
                axes.axvline(edge_s, color="white", lw=2.4, alpha=0.5)
                axes.axvline(edge_s, color=colour, lw=1.2)
    for event, row in names(events, duration_s):
        late = event.start_s > LATE_SHARE * duration_s
        said = axes.text(
            event.end_s if late else event.start_s,
            0.97 - 0.09 * row,
            f" {event.label} {event.score:.2f} ",
            transform=above,
            va="top",
            ha="right" if late else "left",
            fontsize=10,
            weight="bold",
            color="white",
        )
        said.set_path_effects([withStroke(linewidth=2.6, foreground=colours[event.label])])


def names(events: Sequence[Event], duration_s: float) -> list[tuple[Event, int]]:
    """The events whose names have room, each with the row below the top where it stands."""
    free_s = [0.0] * NAME_ROWS
    placed = []
    for event in events:
        width_s = NAME_SHARE * (len(event.label) + 6) * duration_s
        late = event.start_s > LATE_SHARE * duration_s
        start_s = event.end_s - width_s if late else event.start_s
        row = next((row for row, end_s in enumerate(free_s) if end_s <= start_s), None)
        if row is not None:
            free_s[row] = start_s + width_s
            placed.append((event, row))
    return placed


def _scores(
    axes: Axes,
    hearing: Hearing,
    channel: int,
    events: Sequence[Event],
    colours: Mapping[str, str],
) -> None:
    """A curve for each label with its threshold, dashed; events shaded."""
    for detector in hearing.opened.detectors:
        for label in detector.labels:
            curve = hearing.curves[channel, detector.name, label]
            axes.plot(curve.middles_s, curve.scores.values, color=colours[label], lw=1.5)
            axes.fill_between(curve.middles_s, curve.scores.values, color=colours[label],
                              alpha=0.12, lw=0)  # fmt: skip
            axes.axhline(detector.thresholds[label], color=colours[label], lw=1.1, ls="--")
    for event in events:
        axes.axvspan(event.start_s, event.end_s, color=colours[event.label], alpha=0.2, lw=0.6)
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("score", color=INK)
    axes.grid(axis="y", color=FAINT, alpha=0.25, lw=0.6)
    plain(axes)


def _time_axis(axes: Axes, duration_s: float) -> None:
    unit = "seconds"
    if duration_s >= 3 * MINUTE_S:
        unit = "h:mm:ss"
        axes.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 1.2, 1.5, 3, 6, 9, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds)))
    axes.set_xlabel(f"{unit} (a score is drawn at the middle of its window)", color=INK)


def _legend(figure: Figure, hearing: Hearing, colours: Mapping[str, str]) -> None:
    """Each label with the threshold in force."""
    from matplotlib.lines import Line2D

    lines: dict[str, Any] = {}
    for detector in hearing.opened.detectors:
        for label in detector.labels:
            told = f"{label} (threshold {detector.thresholds[label]:.2f})"
            lines[told] = Line2D([], [], color=colours[label], lw=2.4)
    figure.legend(list(lines.values()), list(lines), loc="outside upper right", frameon=False,
                  ncols=min(4, len(lines)), fontsize=10, labelcolor=INK)  # fmt: skip
