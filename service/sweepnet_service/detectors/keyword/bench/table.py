"""Rows of figures as one table for people, and as the short form of the last line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from sweepnet_service.detectors.keyword.bench.rows import Figures, Row
from sweepnet_service.detectors.keyword.evaluate.figures import ENOUGH_HOURS


def conditions_of(rows: Sequence[Row]) -> list[str]:
    """Every condition that a row was measured in, in order of appearance."""
    named = (name for row in rows for figures in row.words.values() for name in figures.misses)
    return list(dict.fromkeys(named))


def table(rows: Sequence[Row], words: Sequence[str], conditions: Sequence[str]) -> Table:
    """For each word, and for all of them together, a line for each engine and setting: percent
    missed in each condition, and false alarms.
    """
    drawn = Table(title="missed in %; false alarms an hour (95 % interval)", box=None)
    for heading in ("word", "engine"):
        drawn.add_column(heading, no_wrap=True)
    for heading in ("setting", *conditions, "alarms an hour"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    for word in words:
        for row in rows:
            if known := row.words.get(word):
                drawn.add_row(word, *named(row), *missed(known, conditions), alarms_cell(known))
        drawn.add_section()
    for row in rows:
        # Only where the engine knows all the words: over fewer it is another figure.
        if len(words) > 1 and all(word in row.words for word in words):
            rates = [percent(row.pooled_miss_rate(words, name)) for name in conditions]
            drawn.add_row("all", *named(row), *rates, "")
    return drawn


def named(row: Row) -> tuple[str, str]:
    return row.engine, f"{row.setting:g}"


def missed(figures: Figures, conditions: Sequence[str]) -> list[str]:
    """Percent in each condition; "-" where it was not measured."""
    return [
        percent(figures.miss_rate(name) if name in figures.misses else None) for name in conditions
    ]


def alarms_cell(figures: Figures) -> str:
    """An hour or more tells a rate; less only how many there were, and in what time."""
    if figures.hours < ENOUGH_HOURS:
        return f"{figures.false_alarms} in {60 * figures.hours:.1f} min"
    rate = figures.rate()
    return f"{rate.value:.2g} ({rate.low:.2g}-{rate.high:.2g})"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def short(row: Row, conditions: Sequence[str]) -> dict[str, Any]:
    """A row without its clips, as JSON."""
    words = {
        word: {
            "missed": {
                name: round(known.miss_rate(name), 4) for name in conditions if name in known.misses
            },
            "false_alarms": known.false_alarms,
            "hours": round(known.hours, 3),
        }
        for word, known in row.words.items()
    }
    return {"engine": row.engine, "setting": row.setting, "words": words}
