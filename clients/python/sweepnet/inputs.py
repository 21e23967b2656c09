"""What goes into a stream beside bytes: holes, single channels, pictures with a region."""

from __future__ import annotations

from dataclasses import dataclass

from sweepnet._arrays import Array
from sweepnet._sources import Source
from sweepnet.results import Area


@dataclass(frozen=True)
class Gap:
    """Samples per channel that were lost, in place of a chunk of a live stream."""

    sample_count: int


@dataclass(frozen=True)
class ChannelChunk:
    """Samples of one channel, or a gap in it, of a stream whose channels do not tick together:
    many microphones or calls on one connection, each on its own time line.
    """

    channel: int
    content: bytes | Array | Gap


@dataclass(frozen=True)
class Picture:
    """A picture, and the region of it to look in; None: where the call says, else everywhere."""

    source: Source
    region: Area | None = None
