"""A server that is told to end, and told again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sweepnet_protos.v1 import audio_pb2
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_protos.v1 import keyword_spotter_pb2_grpc as pb2_grpc
from sweepnet_service.server import app
from sweepnet_service.server.app import Running
from sweepnet_service.server.settings import Settings

from .scenes import (
    SECOND,
    audio,
    call_of,
    failing,
    opening,
    play,
    rest_of,
    retry_after_s,
)


def endless() -> Iterator[pb2.StreamingSpotRequest]:
    """Audio that never ends."""
    form = audio_pb2.AudioFormat(encoding="AUDIO_ENCODING_LINEAR16", sample_rate_hz=16_000)
    yield pb2.StreamingSpotRequest(
        config=pb2.SpotConfig(detectors=["detectors/tiny"], audio_format=form)
    )
    while True:
        yield pb2.StreamingSpotRequest(audio=bytes(320))
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_what_runs_at_once(number: signal.Signals, tiny_models: Path) -> None:
    """The first one leaves running calls the whole grace period."""
    command = [sys.executable, "-m", "sweepnet_service", "--port", "0", "--grace-s", "300"]
    with subprocess.Popen(
        [*command, "--models", str(tiny_models), "--log-level", "error"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[3]
        with grpc.insecure_channel(address) as channel:
            call = pb2_grpc.KeywordSpotterServiceStub(channel).StreamingSpot(endless())
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert next(call).HasField("opened")
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            process.send_signal(number)
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            next(call)
            assert process.poll() is None
            process.send_signal(number)
            with pytest.raises(grpc.RpcError) as caught:
                list(call)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert process.wait(60) == 0


class Stops:
    """A server that tells how its stops overlap."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server, self._under_way = server, 0
        self.together: list[float | None] = []
        """The time that stops have which begin while another one is under way."""

    async def stop(self, grace_s: float | None) -> None:
        if self._under_way:
            self.together.append(grace_s)
        self._under_way += 1
        await self._server.stop(grace_s)
        self._under_way -= 1


def test_draining_never_ends_calls_of_a_freed_server(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stops of grpc.aio whose time ran out at once ended in a segmentation fault: with a call
    that nobody ends, where the other freed the server a moment before.
    """
    monkeypatch.setattr(app, "FAREWELL_S", 0.02)

    async def scene() -> Stops:
        settings = Settings(port=0, models=tiny_models, grace_s=0)
        async with (
            app.running(settings) as served,
            grpc.aio.insecure_channel(served.address) as channel,
        ):
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            await watch.read()
            stops = Stops(served.server)
            await asyncio.wait_for(replace(served, server=stops).drain(0), 30)
            return stops

    assert asyncio.run(scene()).together == [None]


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
