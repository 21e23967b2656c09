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
    """A line for each engine and setting: misses of all words, then misses and alarms of each."""
    drawn = Table(
        title=f"missed ({' / '.join(conditions)}) in %; false alarms an hour (95 % interval)",
        box=None,
    )
    drawn.add_column("engine", no_wrap=True)
    columns = ["setting", *(["all missed"] if len(words) > 1 else [])]
    columns += [heading for word in words for heading in (f"{word} missed", "alarms an hour")]
    for heading in columns:
        drawn.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        drawn.add_row(row.engine, f"{row.setting:g}", *cells(row, words, conditions))
    return drawn


def cells(row: Row, words: Sequence[str], conditions: Sequence[str]) -> list[str]:
    """What the table shows of a row; "-" for what the engine does not know."""
    told = [pooled_cell(row, words, conditions)] if len(words) > 1 else []
    for word in words:
        known = row.words.get(word)
        told += [missed_cell(known, conditions), alarms_cell(known)] if known else ["-", "-"]
    return told


def pooled_cell(row: Row, words: Sequence[str], conditions: Sequence[str]) -> str:
    """Only where the engine knows all the words: over fewer it is another figure."""
    return " / ".join(percent(row.pooled_miss_rate(words, name)) for name in conditions)


def missed_cell(figures: Figures, conditions: Sequence[str]) -> str:
    return " / ".join(
        percent(figures.miss_rate(name) if name in figures.misses else None) for name in conditions
    )


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
