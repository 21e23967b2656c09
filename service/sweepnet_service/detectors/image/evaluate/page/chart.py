"""Drawings as SVG text: precision over recall, and false boxes over recall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.page import Markup, tag

from ...figures import Outcome, joined_boxes

WIDTH, HEIGHT = 560, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 24, 50
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def precision_recall(outcomes: Sequence[Outcome], threshold: float, name: str) -> Markup:
    """The curve with a mark at the threshold in force; `name` says what it shows."""
    scores, right, count = joined_boxes(outcomes)
    hits = np.cumsum(right)
    recall, precision = hits / max(count, 1), hits / np.arange(1, len(hits) + 1)
    at = int((scores >= threshold).sum()) - 1
    steps = " ".join(f"{_x(r):.1f},{_y(p):.1f}" for r, p in _thinned(recall, precision))
    drawn = [*_grid(), tag("polyline", points=steps, class_="curve c0")]
    if at >= 0:
        place = {"cx": f"{_x(recall[at]):.1f}", "cy": f"{_y(precision[at]):.1f}"}
        drawn.append(tag("g", tag("circle", r=5, **place), class_="mark c0"))
    return tag("svg", tag("title", name), *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")


def _thinned(recall: Array, precision: Array) -> list[tuple[float, float]]:
    """Only the points at which a true box is found: between them the curve falls straight."""
    rising = np.flatnonzero(np.diff(recall, prepend=0.0) > 0)
    return [(float(recall[i]), float(precision[i])) for i in rising]


def _x(recall: float) -> float:
    return LEFT + float(recall) * (WIDTH - LEFT - RIGHT)


def _y(precision: float) -> float:
    return HEIGHT - BOTTOM - float(precision) * (HEIGHT - BOTTOM - TOP)


def _grid() -> list[Markup]:
    drawn = []
    for value in TICKS:
        drawn.append(_line(_x(value), _y(0), _x(value), _y(1)))
        drawn.append(_line(_x(0), _y(value), _x(1), _y(value)))
        drawn.append(_text(_x(value), _y(0) + 18, f"{value:g}"))
        drawn.append(_text(LEFT - 8, _y(value) + 4, f"{value:g}", "end"))
    drawn.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "recall", kind="name"))
    drawn.append(_text(LEFT, TOP - 9, "precision", "start", kind="name"))
    return drawn


def _line(x: float, y: float, to_x: float, to_y: float) -> Markup:
    ends = {"x1": f"{x:.1f}", "y1": f"{y:.1f}", "x2": f"{to_x:.1f}", "y2": f"{to_y:.1f}"}
    return tag("line", class_="grid", **ends)


def _text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "tick") -> Markup:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}
    return tag("text", words, class_=kind, **place)
