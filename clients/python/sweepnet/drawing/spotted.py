"""Draws what was heard in a recording: spectrogram, score curves with thresholds, events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sweepnet import Event, SpotResult

from .canvas import FAINT, INK, plain, save
from .hearing import Hearing, Spectrum

MOST_CHANNELS = 4
MOST_NAMED = 24
MINUTE_S = 60
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
        _spectrogram(above, hearing.spectra[channel], events, colours)
        _scores(below, hearing, channel, events, colours)
        if hearing.opened.channel_count > 1:
            above.set_title(f"channel {channel}", loc="left", fontsize=11, color=INK)
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
    return f"{seconds:.1f} s" if seconds < MINUTE_S else f"{_clock(seconds)} (h:mm:ss)"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _spectrogram(
    axes: Axes, spectrum: Spectrum, events: list[Event], colours: Mapping[str, str]
) -> None:
    """The features that the network saw, low bands at the bottom; what was found is bracketed."""
    rows = spectrum.frames.values
    axes.set_ylabel("mel band", color=INK)
    plain(axes)
    if not rows:
        return
    axes.imshow(
        list(zip(*rows, strict=True)),
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, spectrum.length_s, 0, len(rows[0])),
        interpolation="nearest" if len(rows) < 200 else "antialiased",
    )
    for event in events:
        for edge_s in (event.start_s, event.end_s):
            axes.axvline(edge_s, color="white", lw=2.4, alpha=0.5)
            axes.axvline(edge_s, color=colours[event.label], lw=1.2)
    for event in events if len(events) <= MOST_NAMED else ():
        said = axes.text(
            event.start_s,
            0.97,
            f" {event.label} {event.score:.2f}",
            transform=axes.get_xaxis_transform(),
            va="top",
            fontsize=10,
            weight="bold",
            color="white",
            clip_on=True,
        )
        said.set_path_effects([withStroke(linewidth=2.6, foreground=colours[event.label])])


def _scores(
    axes: Axes,
    hearing: Hearing,
    channel: int,
    events: list[Event],
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
        axes.axvspan(event.start_s, event.end_s, color=colours[event.label], alpha=0.2, lw=0)
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
        for label, threshold in detector.thresholds.items():
            told = f"{label} (threshold {threshold:.2f})"
            lines[told] = Line2D([], [], color=colours[label], lw=2.4)
    figure.legend(list(lines.values()), list(lines), loc="outside upper right", frameon=False,
                  ncols=min(4, len(lines)), fontsize=10, labelcolor=INK)  # fmt: skip
