"""The journal of an archive: a line of JSON for each file as it is done, whole or not at all.

The first line says what is done to the files; another run goes on only where it would do the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from sweepnet.errors import FailedPrecondition, InvalidInput

try:
    import fcntl
except ImportError:  # Windows: two runs at once are not kept apart
    fcntl = None  # type: ignore[assignment]

VERSION = 1
BEGINNING = b'{"journal"'


class Journal:
    """Records by source, kept as they come; only one process may have it open.

    What is in it is kept unless it is to be `fresh`.
    Raises FailedPrecondition where another run has it, or one with other settings began it,
    InvalidInput where it is none. Not to be shared by threads.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], fresh: bool = False) -> None:
        self.path = path
        self._file = open(path, "a+b")  # noqa: SIM115 (closed by `close`)
        self._places: dict[str, int] = {}
        self._failed: set[str] = set()
        try:
            self._lock()
            if fresh:
                self._file.truncate(0)
            self._read(
                {"journal": VERSION, "settings": json.loads(json.dumps(settings, default=vars))}
            )
        except BaseException:
            self._file.close()
            raise

    def done(self, source: str) -> bool:
        """Whether it was scored; a file that failed may be tried again."""
        return source in self._places and source not in self._failed

    def add(self, record: Mapping[str, Any]) -> None:
        """Keep a record: once this returns, the death of this process does not lose it."""
        self._keep(record, self._append(record))

    def records(self, sources: Iterator[str]) -> Iterator[dict[str, Any]]:
        """What is known of these sources, in their order."""
        for source in sources:
            if source in self._places:
                self._file.seek(self._places[source])
                yield json.loads(self._file.readline())

    def close(self) -> None:
        """End; what was kept is on the disk."""
        if self._file.closed:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except OSError:
            if error is None:
                raise

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FailedPrecondition(
                f"another run is writing {self.path}; wait for it, or give another --out"
            ) from None

    def _read(self, head: Mapping[str, Any]) -> None:
        """Takes in what earlier runs kept; a line that the last one did not end is cut off."""
        self._file.seek(0)
        place = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                if number == 1 and not line.startswith(BEGINNING[: len(line)]):
                    self._parsed(number, b"")  # somebody's file, not a journal cut short
                break
            content = self._parsed(number, line)
            if number == 1:
                self._check_head(content, head)
            else:
                self._keep(content, place)
            place += len(line)
        self._file.truncate(place)
        if place == 0:
            self._append(head)

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            content = json.loads(line)
        except ValueError:
            content = None
        expected = "journal" if number == 1 else "source"
        if not isinstance(content, dict) or expected not in content:
            raise InvalidInput(
                f"{self.path}, line {number} is no line of a journal; "
                "take the file away to score all files anew"
            )
        return content

    def _check_head(self, found: Mapping[str, Any], head: Mapping[str, Any]) -> None:
        if found == head:
            return
        before, now = found.get("settings", {}), head["settings"]
        changed = [key for key in now if before.get(key) != now[key]] or ["its version"]
        raise FailedPrecondition(
            f"{self.path} was begun with another {changed[0]}: "
            f"{_short(before.get(changed[0]))}, now {_short(now.get(changed[0]))}; give the same, "
            "or another --out, or --fresh to score all files anew"
        )

    def _keep(self, record: Mapping[str, Any], place: int) -> None:
        source = record["source"]
        self._places[source] = place
        (self._failed.add if "error" in record else self._failed.discard)(source)

    def _append(self, content: Mapping[str, Any]) -> int:
        """Writes a line in one piece; its place. Raises OSError that names the file."""
        self._file.seek(0, os.SEEK_END)
        place = self._file.tell()
        try:
            self._file.write(json.dumps(content).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fspath(self.path)) from None
        return place


def _short(value: object) -> str:
    return f"{json.dumps(value):.100}"
