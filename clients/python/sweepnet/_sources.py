"""What a caller may name as audio or a picture: a path, bytes, an open binary file, an array."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, cast

from sweepnet import _arrays
from sweepnet._arrays import Array
from sweepnet.errors import InvalidInput, LimitExceeded, NotFound

Source = str | os.PathLike[str] | bytes | BinaryIO | Array
SourceKind = Literal["audio", "picture"]
CHUNK_BYTES = 1 << 17
LARGEST_PICTURE_BYTES = (1 << 31) - (1 << 20)
"""No message may have 2 GiB, whatever the server takes."""
WIDEST_SAMPLE_BYTES = 4
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
PICTURE_SUFFIXES = {
    *(".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".heic", ".heif", ".avif", ".svg", ".ico", ".ppm", ".pgm"),
}


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The source, no array, open for reading; closed again if it was not open.

    Raises NotFound or InvalidInput.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        with _file(source) as file:
            yield file
    else:
        yield _readable(source)


def _readable(source: object) -> BinaryIO:
    if not callable(getattr(source, "read", None)):
        raise InvalidInput(
            f"got {source!r:.80} as a source; expected a path, the bytes of a file, "
            "a file opened in binary mode, or an array of NumPy"
        )
    if isinstance(source, io.TextIOBase):
        raise InvalidInput(f"{source!r:.80} is open for text; open it in binary mode ('rb')")
    if getattr(source, "closed", False) or not getattr(source, "readable", lambda: True)():
        raise InvalidInput(f"{source!r:.80} is closed, or not open for reading")
    return cast("BinaryIO", source)


def _file(source: str | os.PathLike[str]) -> BinaryIO:
    try:
        return Path(source).open("rb")
    except FileNotFoundError:
        raise NotFound(f"no file named {os.fspath(source)}") from None
    except IsADirectoryError:
        raise InvalidInput(
            f"{os.fspath(source)} is a folder; name the files in it, for instance "
            f"{os.fspath(source).rstrip('/')}/*"
        ) from None
    except ValueError as error:
        raise InvalidInput(f"{os.fspath(source)!r} is no path: {error}") from None
    except OSError as error:
        raise InvalidInput(f"{os.fspath(source)} cannot be read: {error.strerror}") from None


def chunks(file: BinaryIO, channel_count: int = 1) -> Iterator[bytes]:
    """The rest of an open file in pieces; of raw samples, each but the last holds whole frames."""
    frame = WIDEST_SAMPLE_BYTES * max(1, channel_count)
    size = frame * max(1, CHUNK_BYTES // frame)
    while piece := file.read(size):
        yield piece


def picture_bytes(source: Source) -> bytes:
    """The bytes of a picture file; pixels of an array become one. LimitExceeded beyond all
    messages, before more is read.
    """
    if _arrays.is_array(source):
        return _arrays.png(source)
    with opened(source) as file:
        pieces, size = [], 0
        for piece in chunks(file):
            size += len(piece)
            if size > LARGEST_PICTURE_BYTES:
                raise LimitExceeded(
                    f"{name_of(source)}: got more than {LARGEST_PICTURE_BYTES} bytes; expected a "
                    "picture that fits into one message: scale it down, or cut it"
                )
            pieces.append(piece)
    return b"".join(pieces)


def name_of(source: Source) -> str:
    """How to call a source in results: its path, or what else it is."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return str(getattr(source, "name", "array" if _arrays.is_array(source) else "bytes"))


def is_picture(source: Source, kind: SourceKind | None = None) -> bool:
    """Whether it is said to be a picture, or looks like one: by first bytes, else by suffix."""
    if kind is not None:
        return kind == "picture"
    if isinstance(source, bytes | bytearray | memoryview):
        return _begins_as_picture(bytes(source[:16]))
    if _arrays.is_array(source):
        return _arrays.looks_like_picture(source)
    if not isinstance(source, str | os.PathLike):
        file = _readable(source)
        start = file.read(16)
        file.seek(-len(start), os.SEEK_CUR)
        return _begins_as_picture(start)
    with opened(source) as file:
        start = file.read(16)
    return _begins_as_picture(start) or Path(source).suffix.lower() in PICTURE_SUFFIXES


def _begins_as_picture(start: bytes) -> bool:
    return start.startswith(_PICTURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")
