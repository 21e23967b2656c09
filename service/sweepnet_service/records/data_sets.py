"""Data sets that clients send: told first file by file, sent in pieces, checked at the end.

    DIR/hello/positive/anna-1.wav

How much of a file is there is its size on disk: a crash at any moment loses no more than the piece
under way. Nothing is learnt from a data set before every file has the size and SHA-256 that it was
told to have.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from sweepnet_service.errors import FailedPrecondition, InvalidInput, LimitExceeded, NotFound, shown
from sweepnet_service.records.database import Database
from sweepnet_service.records.tables import DATA_FILES, DATA_SETS, JOBS
from sweepnet_service.store.durable import sync_folder

COLLECTION = "datasets/"
MOST_FILES = 50_000
LONGEST_PATH = 500
_NAME = re.compile(r"datasets/[a-z][a-z0-9_-]{0,62}")
_PART = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DataFile:
    """A file of a data set: its place in it, and how much of it has been received."""

    path: str
    size_bytes: int
    sha256: str
    received_bytes: int = 0


@dataclass(frozen=True)
class DataSet:
    """A data set; `sha256` tells its files' names and contents once it is complete."""

    name: str
    created_s: float
    complete: bool
    sha256: str
    file_count: int
    size_bytes: int
    files: Sequence[DataFile] = ()


class DataSets:
    """All data sets in a folder; together they may have `most_bytes`."""

    def __init__(self, folder: Path, database: Database, most_bytes: int) -> None:
        self._folder, self._database, self._most_bytes = folder, database, most_bytes

    def create(self, name: str, files: Sequence[DataFile]) -> DataSet:
        """A new data set of these files, or the one that was begun with the same.

        Raises InvalidInput for wrong files, FailedPrecondition where there is another of the name,
        LimitExceeded where there is no room.
        """
        checked_data_set(name)
        _check_files(files)
        with self._database.begin() as connection:
            known = self._read(connection, name, with_files=True)
            if known is not None:
                return self._same(known, files)
            total = select(func.coalesce(func.sum(DATA_FILES.c.size_bytes), 0))
            size = sum(file.size_bytes for file in files)
            if (connection.scalar(total) or 0) + size > self._most_bytes:
                raise LimitExceeded(
                    "files",
                    f"{size} bytes do not fit in; this server keeps {self._most_bytes} bytes of "
                    "data sets (--max-data-set-bytes). Delete others, or send less",
                )
            row = {"name": name, "created_s": time.time(), "complete": False, "sha256": ""}
            connection.execute(DATA_SETS.insert().values(row))
            rows = [
                {
                    "data_set": name,
                    "path": file.path,
                    "size_bytes": file.size_bytes,
                    "sha256": file.sha256,
                }
                for file in files
            ]
            connection.execute(DATA_FILES.insert(), rows)
            # What a data set of this name left when it was deleted is none of this one.
            shutil.rmtree(self._place(name), ignore_errors=True)
            return self._known(connection, name, with_files=True)

    def _same(self, known: DataSet, files: Sequence[DataFile]) -> DataSet:
        told = {file.path: (file.size_bytes, file.sha256) for file in files}
        if told != {file.path: (file.size_bytes, file.sha256) for file in known.files}:
            raise FailedPrecondition(
                "name",
                f"there is a data set {known.name} with other files; delete it, or choose another "
                "name",
            )
        return known

    def add(self, name: str, path: str, offset: int, content: bytes) -> int:
        """Add a piece to the end of a file; how many bytes of it there are now.

        A piece that is there already, told again after a broken connection, changes nothing.
        """
        file = self._file(name, path)
        place = self._place(name) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with _appending(place) as (handle, there):
            if not 0 <= offset <= there:
                raise FailedPrecondition(
                    "offset", f"got {offset}; the server has {there} bytes of {path}, go on there"
                )
            if offset + len(content) > file.size_bytes:
                raise InvalidInput(
                    "content",
                    f"{path} would have {offset + len(content)} bytes; {file.size_bytes} were told",
                )
            known = min(there - offset, len(content))
            if os.pread(handle, known, offset) != content[:known]:
                raise InvalidInput(
                    "content",
                    f"{path} has other bytes from {offset} on; delete the data set to send it anew",
                )
            return _written(handle, there, content[known:], path)

    def finish(self, name: str) -> DataSet:
        """Check every file; from then on the data set is fixed. Raises FailedPrecondition for what
        is missing; a file with another content than was told is dropped, to be sent again.
        """
        with self._database.reading() as connection:
            known = self._known(connection, name, with_files=True)
        if known.complete:
            return known
        digest = self._checked(known)
        with self._database.begin() as connection:
            values = {"complete": True, "sha256": digest}
            connection.execute(update(DATA_SETS).where(DATA_SETS.c.name == name).values(values))
            return self._known(connection, name)

    def _checked(self, known: DataSet) -> str:
        whole, wrong = hashlib.sha256(), []
        # Not as the database orders them: its collation is its own.
        for file in sorted(known.files, key=lambda each: each.path):
            place = self._place(known.name) / file.path
            if not file.size_bytes:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            if file.received_bytes < file.size_bytes:
                wrong.append(f"{file.path}: {file.received_bytes} of {file.size_bytes} bytes")
                continue
            with place.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
                os.fsync(opened.fileno())
            if found != file.sha256:
                place.unlink()
                wrong.append(f"{file.path}: its SHA-256 is {found[:12]}..., send it again")
            whole.update(f"{found}  {file.path}\n".encode())
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise FailedPrecondition("files", f"not as told: {'; '.join(wrong[:3])}{more}")
        for folder in {(self._place(known.name) / each.path).parent for each in known.files}:
            sync_folder(folder)
        return whole.hexdigest()

    def get(self, name: str) -> DataSet:
        """A data set with its files; raises NotFound."""
        with self._database.reading() as connection:
            return self._known(connection, checked_data_set(name), with_files=True)

    def all(self) -> list[DataSet]:
        """All data sets in order of name, without their files."""
        with self._database.reading() as connection:
            names = connection.scalars(select(DATA_SETS.c.name).order_by(DATA_SETS.c.name))
            return [self._known(connection, name) for name in list(names)]

    def delete(self, name: str) -> list[str]:
        """Delete a data set and its files; the jobs that learnt from it. Raises FailedPrecondition
        while one does.
        """
        with self._database.begin() as connection:
            self._known(connection, checked_data_set(name))
            users = select(JOBS.c.id, JOBS.c.state).where(JOBS.c.data_set == name)
            learnt = connection.execute(users).all()
            for identity, state in learnt:
                if state in ("queued", "running", "cancelling"):
                    raise FailedPrecondition(
                        "name", f"operations/{identity} learns from {name}; cancel it first"
                    )
            # Jobs that ended keep the name in their order.
            connection.execute(update(JOBS).where(JOBS.c.data_set == name).values(data_set=None))
            connection.execute(delete(DATA_SETS).where(DATA_SETS.c.name == name))
            # At once and before anyone can begin another of the name: that one keeps its files.
            gone = self._folder / f".deleted-{uuid.uuid4().hex}"
            with suppress(FileNotFoundError):
                self._place(name).rename(gone)
        for left in self._folder.glob(".deleted-*"):
            shutil.rmtree(left, ignore_errors=True)
        return [str(identity) for identity, _ in learnt]

    def folder_of(self, name: str) -> Path:
        """The folder of a complete data set; raises FailedPrecondition for one that is not."""
        with self._database.reading() as connection:
            known = self._known(connection, checked_data_set(name))
        if not known.complete:
            raise FailedPrecondition(
                "data_set", f"{name} is not complete; send its files and finish it first"
            )
        return self._place(name).resolve()

    def _place(self, name: str) -> Path:
        return self._folder / name.removeprefix(COLLECTION)

    def _file(self, name: str, path: str) -> DataFile:
        here = (DATA_FILES.c.data_set == checked_data_set(name)) & (DATA_FILES.c.path == path)
        # Asked for each piece of each file: nothing here may take longer where there are many.
        whole = select(DATA_SETS.c.complete).where(DATA_SETS.c.name == name)
        with self._database.reading() as connection:
            complete = connection.scalar(whole)
            row = connection.execute(select(DATA_FILES).where(here)).first()
        if complete is None:
            raise NotFound("data_set", f"no data set named {shown(name)}")
        if complete:
            raise FailedPrecondition("data_set", f"{name} is complete; it takes nothing more")
        if row is None:
            raise NotFound("path", f"{name} was told of no file {shown(path)}")
        return DataFile(row.path, row.size_bytes, row.sha256)

    def _known(self, connection: Connection, name: str, with_files: bool = False) -> DataSet:
        known = self._read(connection, name, with_files)
        if known is None:
            raise NotFound("data_set", f"no data set named {shown(name)}")
        return known

    def _read(self, connection: Connection, name: str, with_files: bool) -> DataSet | None:
        row = connection.execute(select(DATA_SETS).where(DATA_SETS.c.name == name)).first()
        if row is None:
            return None
        mine = DATA_FILES.c.data_set == name
        count, size = connection.execute(
            select(func.count(), func.coalesce(func.sum(DATA_FILES.c.size_bytes), 0)).where(mine)
        ).one()
        files: Sequence[DataFile] = ()
        if with_files:
            rows = connection.execute(select(DATA_FILES).where(mine).order_by(DATA_FILES.c.path))
            files = [self._received(name, each._mapping) for each in rows]
        return DataSet(name, row.created_s, row.complete, row.sha256, count, int(size), files)

    def _received(self, name: str, row: Mapping[Any, Any]) -> DataFile:
        place = self._place(name) / row["path"]
        there = place.stat().st_size if place.is_file() else 0
        return DataFile(row["path"], row["size_bytes"], row["sha256"], there)


def checked_data_set(name: str) -> str:
    """The name itself; raises InvalidInput if it is not of the form `datasets/hello`."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "data_set",
            f"got {shown(name)}; expected a name such as 'datasets/hello': lower case letters, "
            "digits, '-' and '_', from a letter, at most 63 behind the slash",
        )
    return name


def _check_files(files: Sequence[DataFile]) -> None:
    if not 0 < len(files) <= MOST_FILES:
        raise InvalidInput("files", f"got {len(files)}; expected 1..{MOST_FILES}")
    taken: set[str] = set()
    for file in files:
        parts = file.path.split("/")
        good = all(_PART.fullmatch(part) and len(part.encode()) <= 255 for part in parts)
        if not good or len(file.path) > LONGEST_PATH or file.path in taken:
            raise InvalidInput(
                "files",
                f"got the path {shown(file.path)}; expected one such as 'positive/anna-1.wav', no "
                "name beginning with a dot, none twice",
            )
        if file.size_bytes < 0 or not _SHA256.fullmatch(file.sha256):
            raise InvalidInput(
                "files", f"{file.path}: expected a size and 64 hexadecimal digits of SHA-256"
            )
        taken.add(file.path)
    for path in taken:
        folders = path.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            if "/".join(folders[:depth]) in taken:
                raise InvalidInput("files", f"{path} lies in a file; expected a folder there")


def _written(handle: int, there: int, content: bytes, path: str) -> int:
    """Write behind what is there; how much there is then. Raises LimitExceeded on a full disk."""
    while content:
        try:
            more = os.pwrite(handle, content, there)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise LimitExceeded(
                "content",
                f"the server's disk is full; it keeps {there} bytes of {path}, send the rest when "
                "there is room",
            ) from None
        there, content = there + more, content[more:]
    return there


@contextmanager
def _appending(place: Path) -> Iterator[tuple[int, int]]:
    """(a handle of the file, its size), for one writer at a time among threads and processes."""
    handle = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle, os.fstat(handle).st_size
    finally:
        os.close(handle)
