"""Streams that their clients forgot, dropped or do not read: nothing of them stays."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from pathlib import Path
from typing import Any

import grpc
import pytest

from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_protos.v1 import keyword_spotter_pb2_grpc
from sweepnet_service.engine import Engine
from sweepnet_service.live import stream as session
from sweepnet_service.server.app import Running
from sweepnet_service.store import Library

from .scenes import (
    SECOND,
    audio,
    call_of,
    failing,
    opening,
    play,
    until,
)


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
