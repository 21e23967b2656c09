"""How far scores are probabilities: a reliability diagram (DeGroot and Fienberg 1983) as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sweepnet_service.detectors.keyword.calibration import Bin
from sweepnet_service.detectors.keyword.evaluate.figures import Figures
from sweepnet_service.detectors.keyword.evaluate.page.chart import line, text
from sweepnet_service.detectors.keyword.evaluate.page.words import errors_told, percent
from sweepnet_service.detectors.page import Markup, joined, table, tag

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 66, 20, 34, 54
SMALLEST, LARGEST = 3, 14
"""Radii of the circles."""


def probabilities(figures: Figures, heading: str) -> Markup:
    """The section; empty where words or other sound are missing."""
    found = figures.reliability
    if found is None:
        return Markup("")
    meant = (
        "A score is meant as the probability that its window holds the word, were recordings of "
        f"the word and peaks of other sound equally frequent. Here: {errors_told(found)}."
    )
    how = "On the line scores are probabilities. The larger a circle, the more of them."
    name = f"Share of words among the peaks of each score, for {figures.label}"
    rows = [
        [f"{each.score:.3f}", percent(each.share), str(each.words), str(each.others)]
        for each in found.bins
    ]
    head = ["mean score", "held the word, at equal odds", "words", "other peaks"]
    as_table = table("Peaks by score", head, rows, frozenset(range(1, len(head))))
    return joined(
        tag(heading, "Scores as probabilities"),
        tag("p", meant),
        tag("p", how, class_="note"),
        diagram(name, found.bins),
        tag("details", tag("summary", "The diagram as a table"), as_table),
    )


def diagram(name: str, bins: Sequence[Bin]) -> Markup:
    """Share of words over score: a circle for each bin, joined with where it should be."""
    corners = (x_of(0), y_of(0), x_of(1), y_of(1))
    words, others = sum(each.words for each in bins), sum(each.others for each in bins)
    drawn = [circle(each, (each.words / words + each.others / others) / 2) for each in bins]
    parts = [tag("title", name), *grid(), line(*corners, "floor"), *drawn]
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")


def circle(each: Bin, weight: float) -> Markup:
    """A bin that holds this share of all, both kinds counted alike."""
    x, y = x_of(each.score), y_of(each.share)
    radius = SMALLEST + (LARGEST - SMALLEST) * math.sqrt(weight)
    return tag(
        "g",
        line(x, y_of(each.score), x, y, "interval"),
        tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:.1f}"),
        class_="mark c0",
    )


def grid() -> list[Markup]:
    """Axes from 0 to 1 with their names."""
    floor, right = y_of(0), x_of(1)
    drawn = [
        text((LEFT + right) / 2, HEIGHT - 8, "score", kind="name"),
        text(LEFT, TOP - 14, "held the word, at equal odds", "start", kind="name"),
    ]
    for fifth in range(6):
        at = fifth / 5
        drawn.append(line(x_of(at), TOP, x_of(at), floor, "grid"))
        drawn.append(text(x_of(at), floor + 28, f"{at:g}"))
        drawn.append(line(LEFT, y_of(at), right, y_of(at), "grid"))
        drawn.append(text(LEFT - LARGEST - 6, y_of(at) + 4, f"{100 * at:.0f} %", "end"))
    return drawn


def x_of(score: float) -> float:
    return LEFT + score * (WIDTH - LEFT - RIGHT)


def y_of(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
