"""Results as tables of pyarrow or pandas (both by the extra `sweepnet[tables]`).

    from sweepnet import tables

    tables.pandas(client.score_many(paths)).groupby("label").score.max()

A row is a label of a file ("labels"), a word or box ("finds"), or a window of a label ("windows",
of recordings that were scored with `replies="windows"`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sweepnet import records
from sweepnet.errors import InvalidInput, MissingPackage
from sweepnet.results import Detections, Scored, SpotResult

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

TableRows = Literal["labels", "finds", "windows"]
Result = Scored | SpotResult | Detections
COLUMNS: Mapping[TableRows, Mapping[str, type]] = {
    "labels": records.COLUMNS["labels"],
    "finds": records.COLUMNS["finds"],
    "windows": {
        **{"source": str, "detector": str, "channel": int, "start_s": float, "end_s": float},
        **{"warming": bool, "label": str, "score": float, "error": str},
    },
}


def arrow(results: Result | Iterable[Result], rows: TableRows = "labels") -> pa.Table:
    """A pyarrow table; its columns are those of `COLUMNS[rows]` whatever was found."""
    pyarrow = require("pyarrow")
    return _arrow(pyarrow, _rows(results, rows), _schema(rows))


def pandas(results: Result | Iterable[Result], rows: TableRows = "labels") -> pd.DataFrame:
    """A pandas data frame, with pandas' own types for numbers that may be missing."""
    package = require("pandas")
    columns = COLUMNS[_known(rows)]
    frame = package.DataFrame(list(_rows(results, rows)), columns=list(columns))
    return frame.astype({name: _PANDAS[kind] for name, kind in columns.items()})


def write_parquet(path: Path, parts: Iterable[list[dict[str, Any]]], rows: TableRows) -> None:
    """A Parquet file of rows that come in parts."""
    pyarrow, parquet = require("pyarrow"), require("pyarrow.parquet")
    schema = _schema(rows)
    with parquet.ParquetWriter(path, schema) as writer:
        for part in parts:
            writer.write_table(_arrow(pyarrow, part, schema))


def require(name: str) -> Any:
    """The package; MissingPackage says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingPackage(
            f"tables need {name.partition('.')[0]}; install it with pip install 'sweepnet[tables]'"
        ) from None


def _rows(results: Result | Iterable[Result], rows: TableRows) -> Iterator[dict[str, Any]]:
    _known(rows)
    for result in [results] if isinstance(results, Result) else results:
        scored = result if isinstance(result, Scored) else Scored("", result)
        if rows != "windows":
            yield from records.rows(records.record(scored), rows)
        elif isinstance(scored.result, SpotResult):
            yield from _windows(scored.source, scored.result)
        elif scored.result is None:
            yield {"source": scored.source, "error": scored.error}


def _windows(source: str, result: SpotResult) -> Iterator[dict[str, Any]]:
    for update in result.updates:
        place = {"source": source, "detector": update.detector, "channel": update.channel}
        for window in update.windows:
            span = {"start_s": window.start_s, "end_s": window.end_s, "warming": window.warming}
            for label, score in window.scores.items():
                yield {**place, **span, "label": label, "score": score}


def _known(rows: TableRows) -> TableRows:
    if rows not in COLUMNS:
        raise InvalidInput(f"rows: got {rows!r}; expected one of {', '.join(COLUMNS)}")
    return rows


def _schema(rows: TableRows) -> Any:
    pyarrow = require("pyarrow")
    kinds = {
        **{str: pyarrow.string(), float: pyarrow.float64()},
        **{int: pyarrow.int64(), bool: pyarrow.bool_()},
    }
    return pyarrow.schema([(name, kinds[kind]) for name, kind in COLUMNS[_known(rows)].items()])


def _arrow(pyarrow: Any, rows: Iterable[Mapping[str, Any]], schema: Any) -> Any:
    kept = [{name: _storable(value) for name, value in row.items()} for row in rows]
    return pyarrow.Table.from_pylist(kept, schema=schema)


def _storable(value: Any) -> Any:
    """The value; bytes of a file's name that are no UTF-8 are written as `\\udcXX`."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


_PANDAS = {str: "string", float: "Float64", int: "Int64", bool: "boolean"}
