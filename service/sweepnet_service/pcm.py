"""Raw audio bytes to samples: float32 (frames, channels) in -1..1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Literal

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput

Encoding = Literal["LINEAR16", "FLOAT32", "MULAW", "ALAW", "CONTAINER"]
LOUDEST = 1e4
"""Beyond this a float sample is no audio: full scale is 1."""


def sample_bytes(encoding: Encoding) -> int:
    """Bytes of one sample of one channel."""
    return _CODECS[encoding][0]


def decode(encoding: Encoding, data: bytes, channel_count: int) -> Array:
    """Interleaved bytes as float32 (frames, channels); InvalidInput on a cut frame or NaN."""
    width, convert = _CODECS[encoding]
    frame = width * channel_count
    if len(data) % frame:
        raise InvalidInput(
            "audio",
            f"got {len(data)} bytes; expected a multiple of {frame} "
            f"({channel_count} channel(s) of {encoding}, {width} byte(s) a sample)",
        )
    return convert(data).reshape(-1, channel_count)


def cut(encoding: Encoding, data: bytes, channel_count: int, frames: int) -> Iterator[bytes]:
    """The same bytes in pieces of at most so many frames; one empty piece where there are none."""
    size = _CODECS[encoding][0] * channel_count * frames
    for start in range(0, max(len(data), 1), size):
        yield data[start : start + size]


def _linear16(data: bytes) -> Array:
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768)


def _float32(data: bytes) -> Array:
    samples = np.frombuffer(data, dtype="<f4").astype(np.float32)
    if (at := first_wrong(samples)) is not None:
        raise InvalidInput(
            "audio", f"sample {at} of the chunk is {samples[at]}; expected finite numbers in -1..1"
        )
    return samples


def first_wrong(samples: Array) -> int | None:
    """Where the first of `samples` (n, ...) lies that is NaN, infinite or far beyond full scale."""
    wrong = ~(np.abs(samples) <= LOUDEST)
    return int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1))) if wrong.any() else None


def _mulaw(data: bytes) -> Array:
    return _mulaw_table()[np.frombuffer(data, dtype=np.uint8)]


def _alaw(data: bytes) -> Array:
    return _alaw_table()[np.frombuffer(data, dtype=np.uint8)]


@cache
def _mulaw_table() -> Array:
    """G.711 mu-law: sign, 3 bits of segment, 4 of step, all inverted."""
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((step.astype(np.int32) << 3) + 0x84) << segment) - 0x84
    return (np.where(code & 0x80, -magnitude, magnitude) / 32768).astype(np.float32)


@cache
def _alaw_table() -> Array:
    """G.711 A-law: sign, 3 bits of segment, 4 of step, every second bit inverted."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    low = (step << 4) + 8
    magnitude = np.where(segment == 0, low, (low + 0x100) << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) / 32768).astype(np.float32)


_CODECS: dict[str, tuple[int, Callable[[bytes], Array]]] = {
    "LINEAR16": (2, _linear16),
    "FLOAT32": (4, _float32),
    "MULAW": (1, _mulaw),
    "ALAW": (1, _alaw),
}
