"""How results are printed: JSON lines, or a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from sweepnet import Scored
from sweepnet.cli.ending import FAILED
from sweepnet.errors import SweepnetError

Row = tuple[str, ...]
PAGE = 10_000
"""Characters in a line, more than any table needs."""


def print_json(content: dict[str, Any]) -> None:
    """One object on one line."""
    print(json.dumps(content, ensure_ascii=False), flush=True)


def print_scored(
    results: Iterable[Scored],
    columns: tuple[str, ...],
    rows: Callable[[Any], list[Row]],
    content: Callable[[Any], dict[str, Any]],
    as_json: bool,
) -> None:
    """Each result as it comes, or all as a table; ends with 1 if one of them failed."""
    kept = _print_lines(results, content) if as_json else _print_table(results, columns, rows)
    if any(scored.error for scored in kept):
        raise typer.Exit(FAILED)


def written(results: Iterable[Scored], write: Callable[[Scored], None]) -> Iterator[Scored]:
    """The results; what belongs to each is written as it passes. Where that fails the recording
    has failed, and the others go on.
    """
    for scored in results:
        error = ""
        try:
            if scored.result is not None:
                write(scored)
        except SweepnetError as failure:
            error = failure.message
        except OSError as failure:
            place = f"{failure.filename}: " if failure.filename else ""
            error = f"{place}{failure.strerror or failure}"
        yield replace(scored, result=None, error=error) if error else scored


def _print_lines(
    results: Iterable[Scored], content: Callable[[Any], dict[str, Any]]
) -> list[Scored]:
    kept = []
    for scored in results:
        told = {"error": scored.error} if scored.result is None else content(scored.result)
        print_json({"source": scored.source, **told})
        kept.append(scored)
    return kept


def _print_table(
    results: Iterable[Scored], columns: tuple[str, ...], rows: Callable[[Any], list[Row]]
) -> list[Scored]:
    table = new_table("File", *columns)
    kept = list(results)
    for scored in kept:
        if scored.result is None:
            print(f"{scored.source}: {scored.error}", file=sys.stderr)
            continue
        for number, row in enumerate(rows(scored.result)):
            table.add_row(scored.source if number == 0 else "", *row)
    if table.row_count:
        show(table)
    return kept


def new_table(*columns: str) -> Table:
    """An empty table; text in it is shown as it is."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def show(table: Table) -> None:
    """Print a table as wide as it needs, no blanks at line ends.

    A narrow terminal wraps the lines; cells folded to fit would be read letter by letter.
    """
    console = Console(markup=False, highlight=False, width=PAGE)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())
