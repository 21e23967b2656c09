"""Which files to score: names, folders, patterns and lists become paths, each one once."""

from __future__ import annotations

import csv
import glob
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sweepnet._sources import PICTURE_SUFFIXES, SourceKind
from sweepnet.errors import InvalidInput, NotFound

AUDIO_SUFFIXES = {
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"),
    *(".au", ".snd", ".caf", ".w64", ".rf64", ".sph", ".gsm", ".voc"),
}
NAMES = ("file", "path", "source")
"""Columns of a CSV list, or keys of JSON lines, that name a file; the first that is there."""


def found(names: Iterable[str | os.PathLike[str]], kind: SourceKind | None = None) -> list[str]:
    """The files that names stand for, in order and without doubles.

    A folder stands for the recordings and pictures anywhere in it (of one kind, if it is given),
    and a name with `*`, `?` or `[` that is no file for those that match; `**` is any folders.
    Raises NotFound where a folder or a pattern stands for none.
    """
    paths = (path for name in names for path in _meant(os.fspath(name), kind))
    return list(dict.fromkeys(os.path.normpath(path) for path in paths))


def listed(place: str | os.PathLike[str]) -> list[str]:
    """The files that a list names: a path a line, CSV with a column `file`, or JSON lines with a
    key `file` (`path` and `source` do as well). Paths count from the list's folder, those of
    standard input (`-`) from here. Raises NotFound or InvalidInput.
    """
    name = os.fspath(place)
    folder = Path() if name == "-" else Path(name).parent
    lines = [line for line in _text(name).splitlines() if line.strip()]
    if not lines:
        raise InvalidInput(f"{name} is empty; expected a list of files, one a line")
    return [os.path.normpath(folder / each) for each in _paths(name, lines)]


def _meant(name: str, kind: SourceKind | None) -> Sequence[str]:
    if os.path.isdir(name):
        suffixes = _suffixes(kind)
        inside = sorted(path for path in _inside(name) if Path(path).suffix.lower() in suffixes)
        if not inside:
            raise NotFound(f"{name}: no {kind or 'recording or picture'} in this folder")
        return inside
    if glob.has_magic(name) and not os.path.exists(name):
        matching = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
        if not matching:
            raise NotFound(f"{name}: no file matches")
        return matching
    return [name]


def _inside(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        yield from (os.path.join(place, name) for name in names)


def _suffixes(kind: SourceKind | None) -> set[str]:
    if kind is None:
        return AUDIO_SUFFIXES | PICTURE_SUFFIXES
    return PICTURE_SUFFIXES if kind == "picture" else AUDIO_SUFFIXES


def _text(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"no list of files named {name}") from None
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read as a list: {error.strerror}") from None
    if b"\0" in data:
        raise InvalidInput(f"{name} is no text; expected a list of files, one a line")
    # Names of files need be no UTF-8.
    return data.decode("utf-8-sig", "surrogateescape")


def _paths(name: str, lines: Sequence[str]) -> list[str]:
    if lines[0].lstrip().startswith("{"):
        return [_from_json(name, number, line) for number, line in enumerate(lines, 1)]
    header = next(csv.reader(lines[:1]))
    column = next((each for each in NAMES if each in header), None)
    if column is None and len(header) > 1 and name.lower().endswith(".csv"):
        raise InvalidInput(
            f"{name}: its columns are {', '.join(header)[:80]}; expected one named "
            f"{' or '.join(NAMES)}"
        )
    if column is None:
        return [line.strip() for line in lines]
    table = csv.DictReader(io.StringIO("\n".join(lines)))
    return [_from_row(name, number, row.get(column)) for number, row in enumerate(table, 2)]


def _from_json(name: str, number: int, line: str) -> str:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if isinstance(content, dict):
        for key in NAMES:
            if isinstance(content.get(key), str):
                return str(content[key])
    raise InvalidInput(
        f"{name}, line {number}: got {line[:60]!r}; expected an object with {' or '.join(NAMES)}"
    )


def _from_row(name: str, number: int, path: str | None) -> str:
    if not path:
        raise InvalidInput(f"{name}, line {number}: no file is named")
    return path
