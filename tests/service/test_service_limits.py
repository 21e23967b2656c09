"""What is more than a client may have: too silent, too large, too many; each is told so at once."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sweepnet_protos.v1 import (
    image_detector_pb2,
    image_detector_pb2_grpc,
    keyword_spotter_pb2_grpc,
)
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_service.errors import InvalidInput
from sweepnet_service.server.app import Running

from .scenes import (
    audio,
    call_of,
    container,
    failing,
    opening,
    play,
    png_file,
    rest_of,
    retry_after_s,
)


def test_an_idle_stream_is_ended(tiny_models: Path) -> None:
    """A client that forgot its stream holds no state for ever."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        call = call_of(channel)
        await call.write(opening())
        error = await failing(call)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "no message for 0.2 s" in str(error.details())

    play(scene, tiny_models, idle_timeout_s=0.2)


def test_a_stream_that_speaks_is_not_idle(tiny_models: Path) -> None:
    """The limit counts from the last message."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        call = call_of(channel)
        await call.write(opening())
        for _ in range(6):
            await asyncio.sleep(0.25)
            await call.write(audio(b""))
        await call.done_writing()
        assert (await rest_of(call))[-1].HasField("summary")

    play(scene, tiny_models, idle_timeout_s=1.0)


def test_a_message_beyond_the_limit_is_refused(tiny_models: Path) -> None:
    """Before it is decoded."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        call = call_of(channel)
        await call.write(opening())
        await call.write(audio(bytes(100_000)))
        error = await failing(call)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger than max" in str(error.details())

    play(scene, tiny_models, max_message_bytes=50_000)


def test_a_file_beyond_the_limit_is_refused(tiny_models: Path) -> None:
    """While it comes, not when it is there."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        call = call_of(channel)
        await call.write(container())
        await call.write(audio(bytes(6_000)))
        await call.write(audio(bytes(6_000)))
        error = await failing(call)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger than 10000 bytes" in str(error.details())

    play(scene, tiny_models, max_upload_bytes=10_000)


def test_more_calls_than_allowed_are_refused(tiny_models: Path) -> None:
    """A full server says so at once, is healthy, and takes calls again once there is room."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        first = call_of(channel)
        await first.write(opening())
        await first.read()
        for _ in range(3):
            error = await failing(call_of(channel))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "1 calls run already (--max-concurrent-calls)" in str(error.details())
            assert retry_after_s(error) == 1
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        await first.done_writing()
        await rest_of(first)
        next_one = call_of(channel)
        await next_one.write(opening())
        await next_one.done_writing()
        assert (await rest_of(next_one))[-1].HasField("summary")

    play(scene, tiny_models, max_concurrent_calls=1)


def test_work_beyond_what_may_wait_is_refused_at_once(tiny_models: Path) -> None:
    """Ten pictures at once where two may wait: the others hear so before any is decoded."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        stub = image_detector_pb2_grpc.ImageDetectorServiceStub(channel)
        wanted = image_detector_pb2.DetectConfig(detectors=["detectors/blobs"])
        request = image_detector_pb2.DetectRequest(config=wanted, image=png_file())
        await stub.Detect(request)
        calls = [stub.Detect(request) for _ in range(10)]
        codes = [await call.code() for call in calls]
        assert codes.count(grpc.StatusCode.OK) >= 2
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes
        assert (await stub.Detect(request)).results

    play(scene, tiny_models, max_waiting=2, workers=1)


def flac(seconds: int, channels: int, rate_hz: int = 16_000) -> bytes:
    """Silence: many samples in few bytes."""
    file = io.BytesIO()
    silence = np.zeros((seconds * rate_hz, channels), np.int16)
    soundfile.write(file, silence, rate_hz, format="FLAC")
    return file.getvalue()


def test_a_unary_call_scores_short_audio_only(tiny_models: Path) -> None:
    """A small file may hold much audio, and all of the answer waits in memory."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        stub = keyword_spotter_pb2_grpc.KeywordSpotterServiceStub(channel)
        config = container().config
        for seconds, channels in ((30, 1), (8, 4)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Spot(pb2.SpotRequest(config=config, audio=flac(seconds, channels)))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "longer than 20 s" in str(caught.value.details())
            assert "StreamingSpot" in str(caught.value.details())
        answer = await stub.Spot(pb2.SpotRequest(config=config, audio=flac(19, 1)))
        assert answer.summary.sample_count == 19 * 16_000

    play(scene, tiny_models, max_spot_s=20)


def test_all_uploads_together_are_bounded(tiny_models: Path, tmp_path: Path) -> None:
    """And what a call has taken is free again when it ends, in whatever way."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        first, second = call_of(channel), call_of(channel)
        await first.write(container())
        await first.write(audio(bytes(6_000)))
        await asyncio.sleep(0.1)
        await second.write(container())
        await second.write(audio(bytes(6_000)))
        error = await failing(second)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "--max-spool-bytes" in str(error.details())
        assert "try later" in str(error.details())
        assert retry_after_s(error) > 0
        fourth = call_of(channel)
        await fourth.write(container())
        await fourth.write(audio(bytes(10_001)))
        error = await failing(fourth)
        assert "larger than 10000 bytes (--max-spool-bytes)" in str(error.details())
        with pytest.raises(AssertionError, match="no RetryInfo"):
            retry_after_s(error)
        first.cancel()
        await asyncio.sleep(0.1)
        third = call_of(channel)
        await third.write(container())
        await third.write(audio(bytes(9_000)))
        await third.done_writing()
        assert "is not audio" in str((await failing(third)).details())

    play(scene, tiny_models, max_spool_bytes=10_000, spool_dir=tmp_path)


@pytest.mark.parametrize("setting", ["captures", "data_sets"])
@pytest.mark.parametrize("below", ["", "further/down"])
def test_a_folder_that_cannot_be_made_is_refused_at_the_start(
    tiny_models: Path, tmp_path: Path, setting: str, below: str
) -> None:
    """And not by the first thing that is to be kept there, long after."""
    file = tmp_path / "file"
    file.write_text("no folder")

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        raise AssertionError("it started")

    with pytest.raises(InvalidInput, match="file is no folder that can be written"):
        play(scene, tiny_models, **{setting: file / below})
