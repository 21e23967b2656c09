"""Faults over one chunk or one picture: its stream hears of them, the others notice nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from sweepnet_protos.v1 import (
    image_detector_pb2,
    image_detector_pb2_grpc,
)
from sweepnet_service.engine import DetectRequest, Engine
from sweepnet_service.live import stream as session
from sweepnet_service.server.app import Running

from .scenes import (
    SECOND,
    audio,
    call_of,
    failing,
    opening,
    play,
    png_file,
    rest_of,
)


def test_a_poisoned_chunk_ends_its_own_stream_only(tiny_models: Path) -> None:
    """The neighbour's scores are those of a quiet server."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        healthy, poisoned = call_of(channel), call_of(channel)
        for call in (healthy, poisoned):
            await call.write(opening())
        await healthy.write(audio(SECOND))
        await poisoned.write(audio(np.full(100, np.nan, np.float32).tobytes()))
        error = await failing(poisoned)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "sample 0 of the chunk is nan" in str(error.details())
        await healthy.write(audio(SECOND))
        await healthy.done_writing()
        assert (await rest_of(healthy))[-1].summary.sample_count == 32_000

    play(scene, tiny_models)


def test_a_fault_inside_is_told_without_its_words(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The client hears that the server failed; the log says where, and names no file."""

    def fail(self: session.SpotStream, data: bytes) -> None:
        raise RuntimeError("cannot do /home/someone/secret.wav")

    monkeypatch.setattr(session.SpotStream, "push_bytes", fail)

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        call = call_of(channel)
        await call.write(opening())
        await call.write(audio(SECOND))
        error = await failing(call)
        assert error.code() is grpc.StatusCode.INTERNAL
        assert error.details() == "the server failed; its log tells more"

    play(scene, tiny_models)
    told = "".join(capfd.readouterr())
    assert "RuntimeError" in told
    assert "spotting.py" in told
    assert "secret" not in told


def test_a_picture_that_cannot_be_read_does_not_end_its_stream(tiny_models: Path) -> None:
    """Its own reply holds the error, the next picture its result."""

    async def pictures(png: bytes) -> AsyncIterator[image_detector_pb2.StreamingDetectRequest]:
        wanted = image_detector_pb2.DetectConfig(detectors=["detectors/blobs"])
        yield image_detector_pb2.StreamingDetectRequest(config=wanted)
        for image in (png, b"no picture", b"", png):
            yield image_detector_pb2.StreamingDetectRequest(image=image)

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        stub = image_detector_pb2_grpc.ImageDetectorServiceStub(channel)
        replies = [reply async for reply in stub.StreamingDetect(pictures(png_file()))]
        assert [reply.picture_index for reply in replies] == [0, 1, 2, 3]
        assert [bool(reply.error.message) for reply in replies] == [False, True, True, False]
        assert "is empty (0 bytes)" in replies[2].error.message
        assert replies[0].results == replies[3].results
        assert (replies[0].results[0].width_px, replies[0].results[0].height_px) == (90, 70)

    play(scene, tiny_models)


def test_a_fault_over_one_picture_does_not_end_its_stream(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is told as a fault, logged without its words, and the next picture is answered."""
    detect = Engine.detect

    def fragile(self: Engine, wanted: DetectRequest, picture: bytes) -> Any:
        if picture == b"poison":
            raise ZeroDivisionError("secret.png")
        return detect(self, wanted, picture)

    monkeypatch.setattr(Engine, "detect", fragile)

    async def pictures() -> AsyncIterator[image_detector_pb2.StreamingDetectRequest]:
        wanted = image_detector_pb2.DetectConfig(detectors=["detectors/blobs"])
        yield image_detector_pb2.StreamingDetectRequest(config=wanted)
        for image in (b"poison", png_file()):
            yield image_detector_pb2.StreamingDetectRequest(image=image)

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        stub = image_detector_pb2_grpc.ImageDetectorServiceStub(channel)
        bad, good = [reply async for reply in stub.StreamingDetect(pictures())]
        assert bad.error.message == "the server failed; its log tells more"
        assert good.results[0].width_px == 90

    play(scene, tiny_models)
    told = "".join(capfd.readouterr())
    assert "ZeroDivisionError" in told
    assert "secret" not in told
