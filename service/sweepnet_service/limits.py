"""What clients may ask of the server at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    message_bytes: int = 32 * 1024 * 1024
    upload_bytes: int = 1024 * 1024 * 1024
    idle_s: float = 60.0
    concurrent_calls: int = 256
    whole_spot_s: float = 600.0
    """Audio of one unary call, each channel under each detector counted by itself."""
    spool_bytes: int = 4 * 1024 * 1024 * 1024
    """Uploaded files of all clients together."""
    stream_s: float | None = None
    """How long a stream may stay open; None: for ever."""
