"""What an audio file's own headers promise, where libsndfile reads on without a word.

A recording that was cut while it was copied looks whole to a decoder that stops where the bytes do.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

MOST_CHUNKS = 1000
UNKNOWN_BYTES = 0x7FFF_F000
"""Programs that write to a pipe put this or more where they cannot know the size."""
SYNCHSAFE = (21, 14, 7, 0)
"""Shifts of the four bytes of an ID3 tag's length."""
PCM, EXTENSIBLE = 1, 0xFFFE
PAGE_TAIL = 1 << 17
"""An Ogg page is shorter than 2^16 bytes, so the end of a file this long holds the last whole."""


def missing_bytes(file: BinaryIO) -> int:
    """How many bytes the headers promise that the file does not hold; 0 where they do not say."""
    with from_start(file):
        magic = file.read(4)
        size = file.seek(0, os.SEEK_END)
        file.seek(4)
        extent = EXTENTS.get(magic)
        return max(0, extent(file, magic, size) - size) if extent else 0


def bits_of_pcm(file: BinaryIO) -> int | None:
    """How many bits a sample of a PCM WAV file has; None for any other file."""
    with from_start(file):
        magic = file.read(4)
        if magic not in (b"RIFF", b"RF64", b"RIFX"):
            return None
        for name, _, _ in _walk(file, magic):
            head = file.read(16)
            if name == b"fmt " and len(head) == 16:
                kind, bits = struct.unpack(">H12xH" if magic == b"RIFX" else "<H12xH", head)
                return int(bits) if kind in (PCM, EXTENSIBLE) else None
    return None


def counts_its_frames(file: BinaryIO) -> bool:
    """Whether an MP3 tells its length (Xing, Info, VBRI), rather than leaving it to be guessed."""
    with from_start(file):
        head = file.read(10)
        size = sum((byte & 127) << shift for byte, shift in zip(head[6:], SYNCHSAFE, strict=False))
        file.seek(10 + size if head.startswith(b"ID3") else 0)
        first = file.read(64)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))


@contextmanager
def from_start(file: BinaryIO) -> Iterator[None]:
    """The file at its first byte; afterwards where it was, for the decoder that shares it."""
    here = file.tell()
    file.seek(0)
    try:
        yield
    finally:
        file.seek(here)


# Of each container, the byte behind the last that its headers promise; 0 where they do not say.


def _chunks(file: BinaryIO, magic: bytes, size: int) -> int:
    """RIFF, RF64, RIFX and AIFF: a list of chunks, one of them the samples."""
    long_size = 0
    for name, place, length in _walk(file, magic):
        if name == b"ds64":
            long_size = int.from_bytes(file.read(16)[8:], "little")
        if name in (b"data", b"SSND"):
            known = long_size or length < UNKNOWN_BYTES
            # The last byte may be the one that fills the chunk up to an even size.
            return place + (long_size or length) - 1 if known else 0
    return 0


def _walk(file: BinaryIO, magic: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, first byte, length) of each chunk; the file stands at that byte."""
    order = ">" if magic in (b"RIFX", b"FORM") else "<"
    place = 12
    for _ in range(MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        name, length = struct.unpack(f"{order}4sI", head)
        yield name, place + 8, length
        place += 8 + length + length % 2


def _sun(file: BinaryIO, magic: bytes, size: int) -> int:
    """AU: where the samples begin and how many bytes they are."""
    head = file.read(8)
    if len(head) < 8:
        return 0
    start, length = struct.unpack(">II", head)
    return int(start + length) if length < UNKNOWN_BYTES else 0


def _wave64(file: BinaryIO, magic: bytes, size: int) -> int:
    """Sony's Wave64: the size of the whole file."""
    file.seek(16)
    return int.from_bytes(file.read(8), "little")


def _pages(file: BinaryIO, magic: bytes, size: int) -> int:
    """Ogg: each page tells its own length; the last one's end counts."""
    first = max(0, size - PAGE_TAIL)
    file.seek(first)
    tail = file.read(PAGE_TAIL)
    page = tail.rfind(b"OggS\0")
    head = tail[page : page + 27 + 255]
    if page < 0:
        return 0
    if len(head) < 27 or len(head) < 27 + head[26]:
        return size + 1
    return first + page + 27 + head[26] + sum(head[27 : 27 + head[26]])


EXTENTS: dict[bytes, Callable[[BinaryIO, bytes, int], int]] = {
    b"RIFF": _chunks,
    b"RF64": _chunks,
    b"RIFX": _chunks,
    b"FORM": _chunks,
    b".snd": _sun,
    b"riff": _wave64,
    b"OggS": _pages,
}
