"""Streams of audio as a client without a library of its own sends them."""

from __future__ import annotations

from typing import Any

from sweepnet_protos.v1 import audio_pb2
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2

LINEAR16 = audio_pb2.AUDIO_ENCODING_LINEAR16

FLOAT32 = audio_pb2.AUDIO_ENCODING_FLOAT32


def config(rate_hz: int, channel_count: int, encoding: Any = FLOAT32, **more: Any) -> Any:
    shape = audio_pb2.AudioFormat(
        encoding=encoding, sample_rate_hz=rate_hz, channel_count=channel_count
    )
    return pb2.SpotConfig(**{"detectors": ["detectors/tiny"], "audio_format": shape, **more})


def spoken(spotter: Any, opening: Any, chunks: list[bytes]) -> list[Any]:
    """All replies to a stream."""
    first = pb2.StreamingSpotRequest(config=opening)
    rest = [pb2.StreamingSpotRequest(audio=chunk) for chunk in chunks]
    return list(spotter.StreamingSpot(iter([first, *rest])))
