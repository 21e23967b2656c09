"""Arrays as sources: samples become the bytes of a stream, pixels those of a PNG file.

What is asked of an array is what NumPy's have (shape, dtype, tobytes); NumPy itself is not needed.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Protocol, TypeGuard

from sweepnet.errors import InvalidInput

MOST_CHANNELS = 64
ENCODINGS = {"int16": "LINEAR16", "float32": "FLOAT32", "float64": "FLOAT32"}
CODES = ("MULAW", "ALAW")
COLOURS = {1: 0, 3: 2, 4: 6}
"""PNG's number for grey, RGB and RGBA, by the channels of a pixel."""


class Array(Protocol):
    """An array of NumPy, or what is like one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...

    def tobytes(self) -> bytes: ...


def is_array(value: object) -> TypeGuard[Array]:
    """Whether it is like an array of NumPy."""
    return all(hasattr(value, name) for name in ("shape", "dtype", "tobytes"))


def looks_like_picture(array: Array) -> bool:
    """Whether it has rows and columns of whole numbers up to 255, or three axes."""
    return len(array.shape) == 3 or (len(array.shape) == 2 and str(array.dtype) == "uint8")


def encoding_of(array: Array, encoding: str | None = None) -> str:
    """What the bytes of an array of samples hold; InvalidInput where that is not `encoding`."""
    kind = str(array.dtype)
    if kind == "uint8" and encoding in CODES:
        return encoding
    found = ENCODINGS.get(kind)
    if found is None:
        raise InvalidInput(
            f"samples: got an array of {kind}; expected int16, or float32 in -1..1 "
            "(uint8 for the codes of MULAW and ALAW)"
        )
    if encoding not in (None, found):
        raise InvalidInput(
            f"samples: got an array of {kind}, expected what {encoding} names; "
            f"give encoding={found!r}, or turn the array into that"
        )
    return found


def channels_of(array: Array) -> int:
    """Channels of (samples,) or (samples, channels); raises InvalidInput for another shape."""
    shape = array.shape
    if len(shape) == 1 or (len(shape) == 2 and 1 <= shape[1] <= MOST_CHANNELS):
        return shape[1] if len(shape) == 2 else 1
    raise InvalidInput(
        f"samples: got an array of shape {tuple(shape)}; expected (samples,), or "
        f"(samples, channels) with at most {MOST_CHANNELS} channels"
    )


def samples(array: Array, encoding: str, channel_count: int) -> bytes:
    """The bytes of an array of samples in a stream of this encoding and so many channels.

    One axis holds channels interleaved, as bytes do.
    """
    encoding_of(array, encoding)
    count = channels_of(array)
    if len(array.shape) == 2 and count != channel_count:
        raise InvalidInput(
            f"samples: got an array of {count} channel(s) in a stream of {channel_count}; "
            f"give channel_count={count}"
        )
    return single(array).tobytes()


def single(array: Array) -> Array:
    """The array in single precision, if it was in double."""
    if str(array.dtype) != "float64":
        return array
    narrowed: Array = array.astype("float32")  # type: ignore[attr-defined]  # of NumPy
    return narrowed


def png(array: Array) -> bytes:
    """A PNG file of uint8 pixels (rows, columns) or (rows, columns, 1, 3 or 4): grey, RGB, RGBA;
    raises InvalidInput for anything else.
    """
    shape = array.shape
    depth = shape[2] if len(shape) == 3 else 1
    known = len(shape) in (2, 3) and depth in COLOURS and str(array.dtype) == "uint8"
    if not known or 0 in shape:
        raise InvalidInput(
            f"picture: got an array of {array.dtype} of shape {tuple(shape)}; expected uint8 of "
            "shape (rows, columns), or (rows, columns, 3) in the order red, green, blue"
        )
    rows, columns = shape[:2]
    pixels, line = array.tobytes(), columns * depth
    lines = b"".join(b"\0" + pixels[at : at + line] for at in range(0, rows * line, line))
    header = struct.pack(">IIBBBBB", columns, rows, 8, COLOURS[depth], 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(kind, data) for kind, data in parts)


def _part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
