"""Misses against false alarms an hour, a panel for each word, a line for each engine: a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from sweepnet_service.detectors.keyword.bench.rows import Row

COLOURS = ("#3b4cc0", "#e4572e", "#00a087", "#8e5ea2", "#c08a00", "#1b1f2a")
STYLES = ("-", "--", ":")
NONE_AT = 0.05
"""Where a rate of none stands on the logarithmic axis, in false alarms an hour."""
TICKS = (NONE_AT, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
MOST_MISSED = 0.5


def draw(rows: Sequence[Row], words: Sequence[str], conditions: Sequence[str], path: Path) -> None:
    """Write the picture."""
    across = min(2, len(words))
    down = -(-len(words) // across)
    figure = Figure(figsize=(6.2 * across, 4.2 * down + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(down, across, squeeze=False).flat
    for axes, word in zip(panels, words, strict=False):
        panel(axes, rows, word, conditions)
    for axes in list(panels):
        axes.set_visible(False)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
    shown = {str(name): line for name, line in lines.items() if not str(name).startswith("_")}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)


def panel(axes: Axes, rows: Sequence[Row], word: str, conditions: Sequence[str]) -> None:
    """One word: a curve for each engine and condition, over the engine's settings."""
    engines = list(dict.fromkeys(row.engine for row in rows))
    rightmost = 1.0
    for engine, colour in zip(engines, COLOURS * len(engines), strict=False):
        known = [row.words[word] for row in rows if row.engine == engine and word in row.words]
        for condition, style in zip(conditions, STYLES, strict=False):
            points = sorted(
                (max(NONE_AT, each.rate().value), -each.miss_rate(condition))
                for each in known
                if condition in each.misses
            )
            if points:
                rates, misses = zip(*points, strict=True)
                rightmost = max(rightmost, *rates)
                axes.plot(
                    rates, [-100 * each for each in misses],
                    style, color=colour, marker="o", markersize=4, label=f"{engine}, {condition}",
                )  # fmt: skip
    axes.set_title(word, loc="left", weight="bold")
    axes.set_xscale("log")
    axes.set_xlim(NONE_AT * 0.9, min(rightmost, TICKS[-1]) * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: "0" if x == NONE_AT else f"{x:g}"))
    axes.set_ylim(-1, 100 * MOST_MISSED)
    axes.set_xlabel("false alarms an hour")
    axes.set_ylabel("missed, %")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
