"""What is counted and logged, and what never is."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from sweepnet_protos.v1 import audio_pb2, keyword_spotter_pb2_grpc
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_service.errors import FailedPrecondition
from sweepnet_service.metrics import REGISTRY, served
from sweepnet_service.server.app import running
from sweepnet_service.server.settings import Settings


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def requests(seconds: int) -> list[pb2.StreamingSpotRequest]:
    shape = audio_pb2.AudioFormat(
        encoding=audio_pb2.AUDIO_ENCODING_FLOAT32, sample_rate_hz=16_000, channel_count=1
    )
    config = pb2.SpotConfig(detectors=["detectors/tiny"], audio_format=shape)
    rng = np.random.default_rng(0)
    chunks = rng.standard_normal((seconds * 10, 1_600)).astype(np.float32) * 0.1
    return [
        pb2.StreamingSpotRequest(config=config),
        *(pb2.StreamingSpotRequest(audio=chunk.tobytes()) for chunk in chunks),
    ]


def spotted(models: Path, sent: list[pb2.StreamingSpotRequest], **changed: Any) -> Any:
    """The summary of a stream, or the error that it ended with."""

    async def whole() -> Any:
        settings = Settings(port=0, models=models, grace_s=0, **changed)
        async with (
            running(settings) as app,
            grpc.aio.insecure_channel(app.address) as channel,
        ):
            stub = keyword_spotter_pb2_grpc.KeywordSpotterServiceStub(channel)
            try:
                return [reply async for reply in stub.StreamingSpot(iter(sent))][-1].summary
            except grpc.aio.AioRpcError as error:
                return error

    return asyncio.run(whole())


def test_calls_windows_and_events_are_counted(tiny_models: Path) -> None:
    names = {
        "sweepnet_windows_scored_total": {"detector": "detectors/tiny"},
        "sweepnet_detections_total": {"detector": "detectors/tiny"},
        "sweepnet_calls_total": {"method": "StreamingSpot", "code": "OK"},
        "sweepnet_step_seconds_count": {},
        "sweepnet_queue_seconds_count": {},
        "sweepnet_call_seconds_count": {"method": "StreamingSpot"},
    }
    before = {name: sample(name, **labels) for name, labels in names.items()}
    told = spotted(tiny_models, requests(2)).channels[0]
    grown = {name: sample(name, **labels) - before[name] for name, labels in names.items()}

    assert grown["sweepnet_windows_scored_total"] == told.window_count
    assert grown["sweepnet_detections_total"] == len(told.events)
    assert grown["sweepnet_calls_total"] == grown["sweepnet_call_seconds_count"] == 1
    assert grown["sweepnet_step_seconds_count"] == grown["sweepnet_queue_seconds_count"] == 21
    assert sample("sweepnet_calls_running", method="StreamingSpot") == 0
    assert sample("sweepnet_streams_open") == 0


def test_refusals_are_counted_by_reason(tiny_models: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[one]\ntoken = "0123456789abcdef"\n')
    before = sample("sweepnet_refusals_total", reason="Unauthenticated")

    error = spotted(tiny_models, requests(0), tokens=tokens)

    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert sample("sweepnet_refusals_total", reason="Unauthenticated") == before + 1


def test_metrics_are_told_over_http() -> None:
    """In Prometheus' text form, on the port that was asked for and no longer than served."""
    with served("127.0.0.1", 0) as address:
        with urllib.request.urlopen(address, timeout=5) as reply:
            text = reply.read().decode()
        with pytest.raises(FailedPrecondition, match="cannot tell metrics there: Address already"):
            served("127.0.0.1", int(address.split(":")[2].split("/")[0])).__enter__()
    assert 'sweepnet_build_info{version="' in text
    assert "# TYPE sweepnet_windows_scored_total counter" in text
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(address.split(":")[2].split("/")[0]))) != 0


def test_without_a_port_nothing_listens() -> None:
    with served("127.0.0.1", None) as address:
        assert address == ""


def test_a_stream_is_ended_after_its_longest_time(tiny_models: Path) -> None:
    error = spotted(tiny_models, requests(0), max_stream_s=0.000_001)

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "--max-stream-s" in str(error.details())
