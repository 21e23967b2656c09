"""What ends a stream, what it leaves behind, and what the others notice of it: nothing."""

from __future__ import annotations

import asyncio
import gc
import io
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sweepnet_protos.v1 import (
    audio_pb2,
    image_detector_pb2,
    image_detector_pb2_grpc,
    keyword_spotter_pb2_grpc,
)
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_service.engine import DetectRequest, Engine
from sweepnet_service.live import stream as session
from sweepnet_service.server.app import Running, running
from sweepnet_service.server.settings import Settings
from sweepnet_service.store import Library

Scene = Callable[[Running, grpc.aio.Channel], Awaitable[None]]
SECOND = np.zeros(16_000, np.float32).tobytes()


def play(scene: Scene, models: Path, **changed: Any) -> None:
    """Run a scene against a server of its own, in one event loop."""

    async def whole() -> None:
        settings = Settings(port=0, models=models, **{"grace_s": 0, **changed})
        async with (
            running(settings) as app,
            grpc.aio.insecure_channel(app.address) as channel,
        ):
            await scene(app, channel)

    asyncio.run(whole())


def opening() -> pb2.StreamingSpotRequest:
    shape = audio_pb2.AudioFormat(
        encoding=audio_pb2.AUDIO_ENCODING_FLOAT32, sample_rate_hz=16_000, channel_count=1
    )
    wanted = pb2.SpotConfig(detectors=["detectors/tiny"], audio_format=shape)
    return pb2.StreamingSpotRequest(config=wanted)


def audio(data: bytes) -> pb2.StreamingSpotRequest:
    return pb2.StreamingSpotRequest(audio=data)


def call_of(channel: grpc.aio.Channel) -> Any:
    return keyword_spotter_pb2_grpc.KeywordSpotterServiceStub(channel).StreamingSpot()


async def rest_of(call: Any) -> list[Any]:
    """The replies that are left, of a call that was read and written by hand."""
    replies = []
    while (reply := await call.read()) is not grpc.aio.EOF:
        replies.append(reply)
    return replies


async def failing(call: Any) -> grpc.aio.AioRpcError:
    """The error that the call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rest_of(call)
    return caught.value


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


def retry_after_s(error: grpc.aio.AioRpcError) -> float:
    """When the server says that the call may be served."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(bytes(value)).details:
                wait = error_details_pb2.RetryInfo()
                if detail.Unpack(wait):
                    return wait.retry_delay.ToTimedelta().total_seconds()
    raise AssertionError("no RetryInfo")


def test_a_call_that_nobody_waits_for_any_more_is_dropped(
    tiny_models: Path, alive: weakref.WeakSet[session.SpotStream]
) -> None:
    """Its deadline passed: the stream's state goes, long before the idle time-out."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        stub = keyword_spotter_pb2_grpc.KeywordSpotterServiceStub(channel)
        call = stub.StreamingSpot(timeout=1.0)
        await call.write(opening())
        await call.write(audio(SECOND))
        await call.read()
        assert len(alive) == 1
        error = await failing(call)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: not alive)

    play(scene, tiny_models)


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


def container() -> pb2.StreamingSpotRequest:
    """The opening of a stream that carries a file."""
    first = opening()
    shape = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_CONTAINER)
    first.config.audio_format.CopyFrom(shape)
    return first


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


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> weakref.WeakSet[session.SpotStream]:
    """The streams whose state the process still holds."""
    streams: weakref.WeakSet[session.SpotStream] = weakref.WeakSet()
    begin = session.SpotStream.__init__

    def counted(self: session.SpotStream, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        streams.add(self)

    monkeypatch.setattr(session.SpotStream, "__init__", counted)
    return streams


def test_a_client_that_takes_no_reply_is_let_go(
    tiny_models: Path, alive: weakref.WeakSet[session.SpotStream]
) -> None:
    """Replies fill the connection's window, then the server waits no longer than for messages."""

    async def speak(call: Any, first: pb2.StreamingSpotRequest) -> None:
        await call.write(first)
        while True:
            await call.write(audio(SECOND * 60))

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        first = opening()
        first.config.include_features = True
        call = call_of(channel)
        speaking = asyncio.create_task(speak(call, first))
        await until(lambda: len(alive) == 1)
        await until(lambda: not alive, within_s=20)
        speaking.cancel()
        call.cancel()

    play(scene, tiny_models, idle_timeout_s=0.5)


def test_cancelled_streams_let_their_state_go(
    tiny_models: Path, alive: weakref.WeakSet[session.SpotStream]
) -> None:
    """Twenty streams are opened and forgotten in the middle; no session survives."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        calls = [call_of(channel) for _ in range(20)]
        for call in calls:
            await call.write(opening())
            await call.write(audio(SECOND))
            await call.read()
        assert len(alive) == 20
        for call in calls:
            call.cancel()
        await until(lambda: not alive)

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


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the program procfs")
def test_memory_does_not_grow_with_cancelled_streams(tiny_models: Path) -> None:
    """At most 4 KiB a stream; grpc.aio itself keeps some tens of bytes of each.

    A leak grows in every round; the allocator, after all that other tests have freed, in one
    (4 MB were seen once, where 4,000 streams by themselves take 0.4 MB).
    """

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        await cancelled(channel, 100)
        grown = []
        for _ in range(3):
            before = resident_bytes()
            await cancelled(channel, 500)
            grown.append(resident_bytes() - before)
        assert min(grown) < 500 * 4096, grown

    async def cancelled(channel: grpc.aio.Channel, count: int) -> None:
        for _ in range(count):
            call = call_of(channel)
            await call.write(opening())
            await call.write(audio(SECOND[:6_400]))
            await call.read()
            call.cancel()
        gc.collect()

    play(scene, tiny_models)


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


async def until(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            gc.collect()
            await asyncio.sleep(0.02)


def test_a_draining_server_ends_what_runs_and_takes_nothing_new(tiny_models: Path) -> None:
    """A stream that ends within the grace period gets its summary."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        call = call_of(channel)
        await call.write(opening())
        await call.write(audio(SECOND))
        await call.read()
        draining = asyncio.create_task(app.drain(5.0))
        await asyncio.sleep(0.1)
        late = call_of(channel)
        assert (await failing(late)).code() is grpc.StatusCode.UNAVAILABLE
        await call.write(audio(SECOND))
        await call.done_writing()
        assert (await rest_of(call))[-1].summary.sample_count == 32_000
        await draining

    play(scene, tiny_models)


def test_a_drained_server_does_not_wait_for_ever(tiny_models: Path) -> None:
    """What does not end within the grace period is ended."""

    async def scene(app: Running, channel: grpc.aio.Channel) -> None:
        call = call_of(channel)
        await call.write(opening())
        await call.read()
        async with asyncio.timeout(3):
            await app.drain(0.2)
        error = await failing(call)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "it ends now; try another" in str(error.details())
        assert retry_after_s(error) == 1

    play(scene, tiny_models)


def test_a_cancelled_call_waits_for_its_running_thread(tiny_models: Path) -> None:
    """And what has not begun never does."""
    done: list[str] = []

    def work(name: str) -> None:
        time.sleep(0.2)
        done.append(name)

    async def scene() -> None:
        engine = Engine(Library(tiny_models), workers=1)
        tasks = [asyncio.create_task(engine.run(work, name)) for name in ("running", "waiting")]
        await asyncio.sleep(0.05)
        for task in (*tasks, *tasks):
            task.cancel()
            await asyncio.sleep(0.01)
        assert done == []
        await asyncio.wait(tasks)
        assert done == ["running"]
        assert all(task.cancelled() for task in tasks)
        engine.close()

    asyncio.run(scene())


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


def png_file() -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.linear_gradient("L").resize((90, 70)).save(file, "PNG")
    return file.getvalue()
