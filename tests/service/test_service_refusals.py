"""Streams that cannot be: each is told what was wrong."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from sweepnet_protos.v1 import audio_pb2
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2

from .speech import LINEAR16, config, spoken

WRONG_OPENINGS = {
    "audio_format.encoding: got 0; expected one of": config(16_000, 1, 0),
    "rate_hz: got 5; expected 4000 to 384000": config(5, 1),
    "audio_format.channel_count: got 65; expected 1..64": config(16_000, 65),
    "channels: got [2]; expected different numbers from 0 to 1": config(16_000, 2, channels=[2]),
    "no label named 'three'; labels: one, two": config(16_000, 1, thresholds={"three": 0.5}),
    "thresholds['one']: got 2.0; expected": config(16_000, 1, thresholds={"one": 2.0}),
    "no model named 'detectors/nope'; there are: ": config(16_000, 1, detectors=["detectors/nope"]),
    "got 'tiny'; expected a name such as 'detectors/welcome'": config(
        16_000, 1, detectors=["tiny"]
    ),
    "detectors/blobs finds another kind; keyword detectors here: ": config(
        16_000, 1, detectors=["detectors/blobs"]
    ),
    "labels: no label named 'three'; labels: one, two": config(16_000, 1, labels=["three"]),
    "reply_interval_s: got -1.0; expected 0..60": config(16_000, 1, reply_interval_s=-1),
    "reply_interval_s: got nan; expected 0..60": config(16_000, 1, reply_interval_s=float("nan")),
    "capture_time: got 300000000000 s and 0 ns; expected": config(
        16_000, 1, capture_time=Timestamp(seconds=300_000_000_000)
    ),
    "start_sample: got -1; expected 0..2^62 - 1": config(16_000, 1, start_sample=-1),
    "start_sample: got 9223372036854775798; expected": config(16_000, 1, start_sample=2**63 - 10),
    "got 0.05 for 'one'; its model measured 0.1 to 0.5 false alarms an hour": config(
        16_000, 1, false_alarms_per_hour=0.05
    ),
    "false_alarms_per_hour: got -1.0; expected > 0": config(16_000, 1, false_alarms_per_hour=-1),
    "false_alarms_per_hour: got nan; expected > 0": config(
        16_000, 1, false_alarms_per_hour=float("nan")
    ),
    f"no label named '{'x' * 76}...; labels: one, two": config(
        16_000, 1, thresholds={"x" * 10_000: 0.5}
    ),
    f"got '{'ü' * 76}...; expected a name such as": config(16_000, 1, detectors=["ü" * 10_000]),
}


@pytest.mark.parametrize("words", WRONG_OPENINGS)
def test_a_wrong_opening_is_told_what_was_wrong(spotter: Any, words: str) -> None:
    """Where, what came, what was expected."""
    with pytest.raises(grpc.RpcError) as caught:
        spoken(spotter, WRONG_OPENINGS[words], [b""])

    assert words in caught.value.details()
    assert caught.value.code() in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
    )


def test_a_stream_must_open_with_its_configuration(spotter: Any) -> None:
    """Audio first, or nothing at all, is refused in words."""
    for requests in ([], [pb2.StreamingSpotRequest(audio=b"")], [pb2.StreamingSpotRequest()]):
        with pytest.raises(grpc.RpcError, match="expected the configuration"):
            list(spotter.StreamingSpot(iter(requests)))


@pytest.mark.parametrize(
    "method",
    [
        "sweepnet.v1.ImageDetectorService/Detect",
        "sweepnet.v1.KeywordSpotterService/Spot",
        "inference.GRPCInferenceService/ModelInfer",
        "grpc.health.v1.Health/Check",
    ],
)
def test_bytes_that_are_no_message_are_an_invalid_argument(server: str, method: str) -> None:
    with (
        grpc.insecure_channel(server) as channel,
        pytest.raises(grpc.RpcError, match="Error parsing message") as caught,
    ):
        channel.unary_unary(f"/{method}")(b"\xff" * 9)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_cut_sample_is_refused(spotter: Any) -> None:
    """Three bytes are no 16-bit samples."""
    with pytest.raises(grpc.RpcError, match=r"got 3 bytes; expected a multiple of 2"):
        spoken(spotter, config(16_000, 1, LINEAR16), [b"abc"])


@pytest.mark.parametrize(
    ("told_why", "message"),
    [
        ("chunks.channel: got 2; expected 0..1", audio_pb2.ChannelChunk(channel=2, audio=b"")),
        ("chunks.content: got an empty chunk", audio_pb2.ChannelChunk(channel=1)),
        (
            "gap.sample_count: got -5",
            audio_pb2.ChannelChunk(channel=0, gap=audio_pb2.AudioGap(sample_count=-5)),
        ),
        ("expected a multiple of 4", audio_pb2.ChannelChunk(channel=0, audio=b"abc")),
    ],
)
def test_chunks_that_cannot_be_are_refused(spotter: Any, told_why: str, message: Any) -> None:
    chunks = audio_pb2.ChannelChunks(chunks=[message])
    requests = [
        pb2.StreamingSpotRequest(config=config(16_000, 2)),
        pb2.StreamingSpotRequest(chunks=chunks),
    ]
    with pytest.raises(grpc.RpcError) as caught:
        list(spotter.StreamingSpot(iter(requests)))
    assert told_why in caught.value.details()  # type: ignore[attr-defined]


def test_a_file_has_no_chunks(spotter: Any) -> None:
    shape = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_CONTAINER)
    requests = [
        pb2.StreamingSpotRequest(config=pb2.SpotConfig(audio_format=shape)),
        pb2.StreamingSpotRequest(chunks=audio_pb2.ChannelChunks()),
    ]
    with pytest.raises(grpc.RpcError, match="an audio file has neither gaps nor channels"):
        list(spotter.StreamingSpot(iter(requests)))


def test_a_gap_beyond_all_time_is_refused(spotter: Any) -> None:
    requests = [
        pb2.StreamingSpotRequest(config=config(16_000, 1, start_sample=5)),
        pb2.StreamingSpotRequest(gap=audio_pb2.AudioGap(sample_count=2**63 - 1)),
    ]
    with pytest.raises(grpc.RpcError, match=r"gap\.sample_count: got 9223372036854775807"):
        list(spotter.StreamingSpot(iter(requests)))
