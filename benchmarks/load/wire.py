"""What is sent: messages of StreamingSpot as bytes, made once, so that no time goes into them."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from sweepnet import _calls, _convert
from sweepnet.options import StreamOptions

PATH = _calls.STREAMING_SPOT.path
RATE_HZ = 16_000
CHUNK_S = 0.08
CHUNK_SAMPLES = round(RATE_HZ * CHUNK_S)
OPENED, UPDATE = 0x0A, 0x12
"""The first byte of a reply: the tag of `opened` or of `update`."""


def opening(channel_count: int, events_only: bool) -> bytes:
    """The first message of a stream of the shipped spotter."""
    options: StreamOptions = {
        "detectors": ["welcome"],
        "channel_count": channel_count,
        "replies": "events" if events_only else "windows",
    }
    return _convert.spot_config(options).SerializeToString()


def audio(samples: bytes) -> bytes:
    """A later message."""
    return _convert.audio_request(samples).SerializeToString()


def read_until(reply: bytes) -> int:
    """Samples used, of an `update`: its first field, found without decoding the rest."""
    at = 1
    while reply[at] & 0x80:
        at += 1
    at += 1
    if at >= len(reply) or reply[at] != 0x08:
        return 0
    at, value, shift = at + 1, 0, 0
    while True:
        value |= (reply[at] & 0x7F) << shift
        if not reply[at] & 0x80:
            return value
        at, shift = at + 1, shift + 7


def run(main: Any) -> Any:
    """The result of a coroutine, in uvloop's loop where it is installed."""
    try:
        loop: Any = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        loop = None
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)
