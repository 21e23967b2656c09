"""Misses against false alarms an hour: a panel for each word and condition, a line for each engine.

The picture is a PNG. Rates stand on a logarithmic axis, at whose left end is none; misses on that
of their square roots, which shows few of them apart and has a place for none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.bench.rows import Row
from sweepnet_service.detectors.keyword.evaluate.figures import ENOUGH_HOURS

COLOURS = ("#3b4cc0", "#e4572e", "#00a087", "#8e5ea2", "#c08a00", "#1b1f2a")
TICKS = tuple(step * 10.0**power for power in range(-3, 3) for step in (1, 2, 5))
MISSED = (0, 1, 2, 5, 10, 20, 40)
BELOW_NONE = -0.1
MOST_MISSED, MOST_ALARMS = 60.0, 100.0
"""Where the axes end at the latest, in % and false alarms an hour."""


@dataclass(frozen=True)
class Rates:
    """The axis of false alarms an hour: where none stands, and where it ends."""

    none_at: float
    end: float

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Rates:
        """Wide enough for every rate."""
        rates = [figures.rate().value for row in rows for figures in row.words.values()]
        least = min((rate for rate in rates if rate), default=0.1)
        return cls(least / 2, min(MOST_ALARMS, max(1.0, *rates)))

    def set(self, axes: Axes) -> None:
        ticks = [self.none_at, *(tick for tick in TICKS if tick > 1.5 * self.none_at)]
        axes.set_xscale("log")
        axes.set_xlim(self.none_at * 0.9, self.end * 1.15)
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda x, _: "0" if x == self.none_at else f"{x:g}")
        )


def telling_rates(rows: Sequence[Row]) -> list[Row]:
    """The rows with those words alone of which the speech without them lasts an hour or more."""
    kept = (
        replace(
            row,
            words={name: each for name, each in row.words.items() if each.hours >= ENOUGH_HOURS},
        )
        for row in rows
    )
    return [row for row in kept if row.words]


def draw(rows: Sequence[Row], words: Sequence[str], conditions: Sequence[str], path: Path) -> None:
    """Write the picture."""
    size = (3.9 * len(conditions) + 0.5, 2.7 * len(words) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    rates = Rates.of(rows)
    panels = figure.subplots(
        len(words), len(conditions), squeeze=False, sharex=True, sharey=True
    ).tolist()
    for word, across in zip(words, panels, strict=True):
        for condition, axes in zip(conditions, across, strict=True):
            panel(axes, rows, word, condition, rates.none_at)
            rates.set(axes)
        across[0].set_ylabel("missed, %")
    for axes in panels[-1]:
        axes.set_xlabel("false alarms an hour")
    lines = {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()}
    figure.legend(
        lines.values(),
        lines.keys(),
        loc="outside lower center",
        ncols=min(4, 2 * len(conditions)),
        frameon=False,
    )
    figure.savefig(path, dpi=110)


def panel(axes: Axes, rows: Sequence[Row], word: str, condition: str, none_at: float) -> None:
    """One word under one condition: each engine over its settings."""
    engines = list(dict.fromkeys(row.engine for row in rows))
    for place, engine in enumerate(engines):
        own = [row for row in rows if row.engine == engine]
        points = sorted(
            points_of(own, word, condition, none_at), key=lambda point: (point[0], -point[1])
        )
        if points:
            axes.plot(
                *zip(*points, strict=True),
                color=COLOURS[place % len(COLOURS)],
                linewidth=1.3,
                marker="o",
                markersize=3.5,
                label=engine,
            )
    axes.set_title(f"{word}, {condition}", loc="left", weight="bold", fontsize=10)
    axes.set_yscale("function", functions=(root, square))
    axes.yaxis.set_major_locator(FixedLocator(MISSED))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(BELOW_NONE, MOST_MISSED)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def root(values: Array) -> Array:
    """Square roots with the sign of the values, so that marks at 0 are drawn whole."""
    return np.sign(values) * np.sqrt(np.abs(values))


def square(values: Array) -> Array:
    """Back from `root`."""
    return np.sign(values) * np.square(values)


def points_of(
    rows: Sequence[Row], word: str, condition: str, none_at: float
) -> Iterator[tuple[float, float]]:
    """(false alarms an hour, % missed) of each row that has them."""
    for row in rows:
        known = row.words.get(word)
        if known and condition in known.misses:
            yield known.rate().value or none_at, 100 * known.miss_rate(condition)
