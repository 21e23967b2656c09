"""The file of results: JSON lines, CSV or Parquet, there whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from sweepnet import records, tables
from sweepnet.errors import InvalidInput
from sweepnet.records import Record, Rows

ROWS_AT_ONCE = 50_000


def checked(out: Path) -> None:
    """Raises InvalidInput for a file that cannot be written, before anything is scored."""
    if out.suffix.lower() not in _WRITERS:
        raise InvalidInput(
            f"out: got {str(out)!r}; expected a name that ends with {', '.join(_WRITERS)}"
        )
    if out.is_dir():
        raise InvalidInput(f"out: {out} is a folder; expected the name of a file")
    if out.suffix.lower() == ".parquet":
        tables.require("pyarrow")


def write(out: Path, told: Iterable[Record], rows: Rows) -> None:
    """The results as the file's name asks; JSON lines hold whole records, the others rows."""
    with _whole(out) as part:
        _WRITERS[out.suffix.lower()](part, told, rows)


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    part = out.with_name(f".{out.name}.part")
    try:
        yield part
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _json_lines(path: Path, told: Iterable[Record], _: Rows) -> None:
    with path.open("wb") as file:
        for record in told:
            file.write(_line(record))


def _line(record: Record) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # a name of a file that is no UTF-8
        return json.dumps(record).encode() + b"\n"


def _csv(path: Path, told: Iterable[Record], rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.DictWriter(file, list(records.COLUMNS[rows]))
        table.writeheader()
        for record in told:
            table.writerows(records.rows(record, rows))


def _parquet(path: Path, told: Iterable[Record], rows: Rows) -> None:
    every = (row for record in told for row in records.rows(record, rows))
    tables.write_parquet(path, iter(lambda: list(islice(every, ROWS_AT_ONCE)), []), rows)


_WRITERS: dict[str, Callable[[Path, Iterable[Record], Rows], Any]] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
}
