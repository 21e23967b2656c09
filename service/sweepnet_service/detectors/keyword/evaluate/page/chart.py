"""Drawings as SVG text: DET curves on the axes of the field, and a histogram of delays.

A DET curve (Martin et al. 1997) shows misses on a normal deviate scale; as usual for keywords the
other axis is false alarms an hour, logarithmic. None of either lies in a strip of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.evaluate.intervals import Estimate
from sweepnet_service.detectors.page import Markup, joined, tag

WIDTH, HEIGHT = 560, 440
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 34, 54
STRIP, FLOOR = 60, 38
"""Width and height of the strips for none."""
TALL, SIDE = 120, 28
"""Height of a histogram without its axis, and what its outer labels need beside it."""
RADIUS, RING, ASIDE = 4.0, 1.5, 3.0
"""Marks at one place are rings, their intervals side by side."""
RATES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
MISSES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
DASHES = ("none", "7 4", "2 4", "10 3 2 3", "4 2")


@dataclass(frozen=True)
class Line:
    """A named curve: (false alarms an hour, share missed) in the order in which it is drawn."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Mark:
    """A point with its intervals, drawn in the colour of the line at `line`."""

    line: int
    rate: Estimate
    miss: Estimate


@dataclass(frozen=True)
class Axes:
    """Where a rate and a share lie on the drawing."""

    rates: tuple[float, ...] = RATES
    misses: tuple[float, ...] = field(default=MISSES)

    def x(self, rate: float) -> float:
        """Logarithmic; rates below the axis lie in the strip for none."""
        first, last = np.log10(self.rates[0]), np.log10(self.rates[-1])
        if rate < self.rates[0]:
            return LEFT + STRIP / 2
        share = (np.log10(min(rate, self.rates[-1])) - first) / (last - first)
        return float(LEFT + STRIP + share * (WIDTH - LEFT - STRIP - RIGHT))

    def y(self, miss: float) -> float:
        """By the normal deviate; shares below the axis lie in the strip for none."""
        first, last = ndtri(self.misses[0]), ndtri(self.misses[-1])
        base = HEIGHT - BOTTOM - FLOOR
        if miss < self.misses[0]:
            return HEIGHT - BOTTOM - FLOOR / 2
        share = (ndtri(min(miss, self.misses[-1])) - first) / (last - first)
        return float(base - share * (base - TOP))


def det(name: str, lines: Sequence[Line], marks: Sequence[Mark] = ()) -> Markup:
    """A DET curve; `name` says what it shows to those who do not see it."""
    axes = Axes()
    drawn = [curve(axes, place, line) for place, line in enumerate(lines)]
    drawn += [mark(axes, each, len(marks) - 1 - place) for place, each in enumerate(marks)]
    return tag(
        "svg",
        tag("title", name),
        *grid(axes),
        *drawn,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="det",
    )


def grid(axes: Axes) -> list[Markup]:
    """Axes with their lines and names, and the strips for none."""
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    drawn = [
        tag("rect", x=LEFT, y=TOP, width=STRIP, height=floor - TOP, class_="strip"),
        tag("rect", x=LEFT, y=floor - FLOOR, width=right - LEFT, height=FLOOR, class_="strip"),
        text(LEFT + STRIP / 2 - 8, floor + 18, "none"),
        text(LEFT - 8, floor - FLOOR / 2 + 5, "none", "end"),
        text((LEFT + right) / 2, HEIGHT - 8, "false alarms an hour", kind="name"),
        text(LEFT, TOP - 14, "missed", "start", kind="name"),
    ]
    for rate in axes.rates:
        drawn.append(line(axes.x(rate), TOP, axes.x(rate), floor, "grid"))
        drawn.append(text(axes.x(rate), floor + 18, f"{rate:g}"))
    for miss in axes.misses:
        drawn.append(line(LEFT, axes.y(miss), right, axes.y(miss), "grid"))
        drawn.append(text(LEFT - 8, axes.y(miss) + 4, f"{100 * miss:g} %", "end"))
    return drawn


def curve(axes: Axes, place: int, line: Line) -> Markup:
    """One line, in the colour and dashes of its place."""
    steps = " ".join(f"{axes.x(rate):.1f},{axes.y(miss):.1f}" for rate, miss in line.points)
    kind = place % len(DASHES)
    return tag("polyline", points=steps, class_=f"curve c{kind}", **dashed(kind))


def mark(axes: Axes, each: Mark, above: int = 0) -> Markup:
    """A point, its intervals as lines across it; so many others may lie `above` it."""
    x, y = axes.x(each.rate.value), axes.y(each.miss.value)
    beside = x - ASIDE * above
    low, high = axes.x(each.rate.low), axes.x(each.rate.high)
    best, worst = axes.y(each.miss.low), axes.y(each.miss.high)
    return tag(
        "g",
        line(low, y, high, y, "interval"),
        line(beside, best, beside, worst, "interval"),
        tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{RADIUS + RING * above:g}"),
        class_=f"mark c{each.line % len(DASHES)}",
    )


def line(x: float, y: float, to_x: float, to_y: float, kind: str) -> Markup:
    ends = {"x1": f"{x:.1f}", "y1": f"{y:.1f}", "x2": f"{to_x:.1f}", "y2": f"{to_y:.1f}"}
    return tag("line", class_=kind, **ends)


def text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "tick") -> Markup:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
    return tag("text", words, class_=kind, **place)


def legend(lines: Sequence[Line]) -> Markup:
    """The names of lines beside a piece of each."""
    items = []
    for place, each in enumerate(lines):
        kind = place % len(DASHES)
        piece = tag("line", x1=0, y1=6, x2=34, y2=6, class_=f"curve c{kind}", **dashed(kind))
        sample = tag("svg", piece, viewBox="0 0 34 12", class_="sample", aria_hidden="true")
        items.append(tag("li", sample, each.name))
    return tag("ul", *items, class_="legend")


def dashed(kind: int) -> dict[str, str]:
    return {"stroke-dasharray": DASHES[kind]}


def histogram(name: str, values: Sequence[float], bin_s: float = 0.05) -> Markup:
    """How many values, in seconds, fall into each bin."""
    edges, counts = binned(values, bin_s)
    step = (WIDTH - 2 * SIDE) / len(counts)
    bars = [bar(SIDE + place * step, step, each, max(counts)) for place, each in enumerate(counts)]
    every = max(1, len(edges) // 8)
    ticks = [
        text(SIDE + place * step, TALL + 18, f"{edge:.2f}")
        for place, edge in enumerate(edges)
        if place % every == 0
    ]
    floor = line(SIDE, TALL, WIDTH - SIDE, TALL, "floor")
    label = text(WIDTH / 2, TALL + 40, "seconds after the word's end", kind="name")
    size = f"0 0 {WIDTH} {TALL + 46}"
    return tag("svg", tag("title", name), *bars, floor, *ticks, label, viewBox=size, role="img")


def bar(x: float, step: float, count: int, most: int) -> Markup:
    """One bar of the histogram with its count, none of nothing; `most` fill the height."""
    if not count:
        return Markup("")
    height = 0.8 * TALL * count / most
    place = {"x": f"{x + 1:.1f}", "y": f"{TALL - height:.1f}"}
    drawn = tag("rect", class_="bar", width=f"{step - 2:.1f}", height=f"{height:.1f}", **place)
    return joined(drawn, text(x + step / 2, TALL - height - 5, str(count)))


def binned(values: Sequence[float], bin_s: float) -> tuple[list[float], list[int]]:
    """(edges, counts) of bins that begin at whole multiples of `bin_s`."""
    first = int(np.floor(min(values) / bin_s))
    places: Array = np.floor(np.asarray(values) / bin_s + 1e-9) - first
    counts = np.bincount(np.maximum(places, 0).astype(int)).tolist()
    return [(first + place) * bin_s for place in range(len(counts) + 1)], counts
