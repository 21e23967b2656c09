"""Files and folders that survive a power cut: whole and on disk, or not there at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cnn_core.modelfile import write_whole


def put(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; when this returns, it and its name are on disk."""
    write_whole(path, content)
    sync_folder(path.parent)


def put_new(path: Path, content: bytes) -> None:
    """Write a short file that must not be there yet; raises FileExistsError if it is.

    Of several processes one succeeds. A crash may leave it cut short: what it holds must tell.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        error.filename = error.filename or str(path)
        raise
    sync_folder(path.parent)


def make_new_folder(path: Path) -> None:
    """Make a folder that must not be there yet; raises FileExistsError if it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir()
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to disk, where the system can."""
    # Windows opens no folders; some file systems sync none.
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """A file that this process alone has, once others have let it go; the end of a process, however
    it comes, lets go.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
