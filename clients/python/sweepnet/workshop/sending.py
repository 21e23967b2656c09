"""The files of a folder as a data set: their places, sizes and SHA-256, and their pieces."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sweepnet.errors import InvalidInput, NotFound

PIECE_BYTES = 1 << 20
Sent = Callable[[int, int], None]
"""Is told how many bytes of how many the server has."""


@dataclass(frozen=True)
class LocalFile:
    """A file to send: its place within the data set, its size and content's hash."""

    path: str
    place: Path
    size_bytes: int
    sha256: str


def files_of(folder: str | os.PathLike[str]) -> list[LocalFile]:
    """All files of a folder in order of path; hidden ones are left out."""
    root = Path(folder)
    if not root.is_dir():
        raise NotFound(f"no folder named {os.fspath(folder)}")
    places = [path for path in root.rglob("*") if path.is_file() and not _hidden(path, root)]
    if not places:
        raise InvalidInput(f"{os.fspath(folder)} holds no files to send")
    return sorted((_measured(place, root) for place in places), key=lambda file: file.path)


def mark_of(folder: str | os.PathLike[str]) -> str:
    """8 digits that tell a folder's files, by name, size and time, from others."""
    root, whole = Path(folder), hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        if not _hidden(path, root):
            state = path.stat()
            told = (path.relative_to(root).as_posix(), state.st_size, state.st_mtime_ns)
            whole.update(repr(told).encode())
    return whole.hexdigest()[:8]


def pieces(file: LocalFile, offset: int) -> Iterator[tuple[int, bytes]]:
    """(offset, piece) from a place in the file on."""
    with file.place.open("rb") as opened:
        opened.seek(offset)
        while piece := opened.read(PIECE_BYTES):
            yield offset, piece
            offset += len(piece)


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _measured(place: Path, root: Path) -> LocalFile:
    with place.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, os.SEEK_END)
    return LocalFile(place.relative_to(root).as_posix(), place, size, digest)
