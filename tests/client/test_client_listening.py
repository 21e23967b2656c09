"""Endless audio: whatever happens to connections and servers, what is told is what one undisturbed
stream tells."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweepnet import (
    AsyncClient,
    Client,
    Gap,
    InvalidInput,
    ServerUnavailable,
    SpotUpdate,
)
from sweepnet.errors import Cancelled, NotFound
from sweepnet.options import StreamOptions

RATE_HZ = 16_000
CHUNK = 1_280
OPTIONS: StreamOptions = {
    "detectors": ["tiny"],
    "channel_count": 2,
    # At lower ones events follow each other without the quiet that lets decisions start afresh.
    "thresholds": {"one": 0.75, "two": 0.75},
}


class Line:
    """A line to a server that can be cut: every connection through it ends at once."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = host, int(port)
        self._ear = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._ear.getsockname()[1]}"
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def cut(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def close(self) -> None:
        # Shut down first: closing alone leaves a thread in `accept`.
        with suppress(OSError):
            self._ear.shutdown(socket.SHUT_RDWR)
        self._ear.close()
        self.cut()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._ear.accept()
                far = socket.create_connection(self._server)
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def line(server: str) -> Iterator[Line]:
    opened = Line(server)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def chunks() -> list[bytes]:
    """12 s of two channels of changing noise, in pieces of 80 ms."""
    rng = np.random.default_rng(23)
    loud = np.repeat(rng.uniform(0, 0.5, (240, 2)), 800, axis=0)
    noise = (rng.standard_normal((192_000, 2)) * loud).clip(-1, 1)
    data = (noise * 32767).astype("<i2").tobytes()
    return [data[at : at + 4 * CHUNK] for at in range(0, len(data), 4 * CHUNK)]


@dataclass(frozen=True, eq=False)
class Told:
    """Places of windows and of events by channel, their scores, how far it was read."""

    windows: list[Any]
    events: list[Any]
    scores: Any
    read_until: int

    def __eq__(self, other: object) -> bool:
        """The same places, scores within float32's reach of another batch shape."""
        assert isinstance(other, Told)
        assert self.windows == other.windows
        self.check_events(other)
        return bool(np.allclose(self.scores, other.scores, atol=1e-4))

    def check_events(self, other: Told) -> None:
        assert self.events == other.events
        assert self.read_until == other.read_until


def told(updates: list[SpotUpdate]) -> Told:
    """What updates tell, in order of channel and time."""
    windows = sorted(
        ((c.channel, w.start_sample, w.end_sample, w.warming), tuple(w.scores.values()))
        for update in updates
        for c in update.channels
        for w in c.windows
    )
    events = sorted(
        (e.channel, e.label, e.start_sample, e.end_sample)
        for update in updates
        for e in update.events
    )
    places, scores = [w[0] for w in windows], np.array([w[1] for w in windows])
    return Told(places, events, scores, updates[-1].read_until)


@pytest.fixture(scope="module")
def undisturbed(server: str, chunks: list[bytes]) -> Told:
    with Client(server) as client, client.stream(chunks, **OPTIONS) as stream:
        expected = told(list(stream))
    assert len(expected.events) > 5
    return expected


def cutting(
    chunks: list[Any], places: set[int], cut: Callable[[], None], behind_s: float = 0.15
) -> Iterator[Any]:
    """The chunks; at these numbers the line is cut, once the server has had time to answer."""
    for number, chunk in enumerate(chunks):
        if number in places:
            time.sleep(behind_s)
            cut()
        yield chunk


@pytest.mark.parametrize(
    "places", [{1}, {75, 120}, {149}, {30, 31, 90}, {60, 75, 95, 110, 148}], ids=str
)
def test_cut_lines_lose_nothing_and_tell_nothing_twice(
    line: Line, chunks: list[bytes], undisturbed: Told, places: set[int]
) -> None:
    with (
        Client(line.address) as client,
        client.listen(cutting(chunks, places, line.cut), **OPTIONS) as listening,
    ):
        updates = list(listening)

    assert told(updates) == undisturbed
    assert listening.reconnections >= 1
    reads = [update.read_until for update in updates]
    assert reads == sorted(reads)


def test_no_more_is_kept_than_may_be_needed(line: Line, chunks: list[bytes]) -> None:
    """The tape is short: two windows and the longest event behind what was read."""
    with (
        Client(line.address) as client,
        client.listen(cutting(chunks, {140}, line.cut), **OPTIONS) as listening,
    ):
        list(listening)
    kept_s = (listening._tape._end - listening._tape._chunks[0][0]) / RATE_HZ
    assert 3.6 < kept_s < 3.9


def test_events_keep_their_time_of_day(line: Line, chunks: list[bytes]) -> None:
    began = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    options: StreamOptions = {**OPTIONS, "capture_time": began, "start_sample": 777}
    with (
        Client(line.address) as client,
        client.listen(cutting(chunks, {80}, line.cut), **options) as listening,
    ):
        events = [event for update in listening for event in update.events]
    assert listening.reconnections >= 1
    for event in events:
        assert event.start_time is not None
        passed_s = (event.start_time - began).total_seconds()
        assert passed_s == pytest.approx(event.start_s - 777 / RATE_HZ, abs=1e-3)


def test_events_alone_are_told_once(line: Line, chunks: list[bytes], undisturbed: Told) -> None:
    options: StreamOptions = {**OPTIONS, "replies": "events"}
    with (
        Client(line.address) as client,
        client.listen(cutting(chunks, {70, 100}, line.cut), **options) as listening,
    ):
        told(list(listening)).check_events(undisturbed)


def test_gaps_keep_their_place_over_a_lost_connection(server: str, line: Line, chunks: Any) -> None:
    mixed = [*chunks[:50], Gap(4_000), *chunks[50:90], Gap(777), *chunks[90:110]]
    with Client(server) as client, client.stream(mixed, **OPTIONS) as stream:
        expected = told(list(stream))
    with (
        Client(line.address) as client,
        client.listen(cutting(mixed, {55, 93}, line.cut), **OPTIONS) as listening,
    ):
        assert told(list(listening)) == expected


def test_the_asynchronous_client_tells_the_same(
    line: Line, chunks: list[bytes], undisturbed: Told
) -> None:
    async def source() -> AsyncIterator[bytes]:
        for number, chunk in enumerate(chunks):
            if number in (40, 100):
                await asyncio.sleep(0.15)
                line.cut()
            yield chunk

    async def heard() -> list[SpotUpdate]:
        async with (
            AsyncClient(line.address) as client,
            client.listen(source(), **OPTIONS) as listening,
        ):
            return [update async for update in listening]

    assert told(asyncio.run(heard())) == undisturbed


def test_the_server_is_killed_and_another_takes_its_place(
    tiny_models: Path, chunks: list[bytes], undisturbed: Told
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ear:
        port = ear.getsockname()[1]

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sweepnet_service", "--port", str(port)]
        process = subprocess.Popen(
            [*command, "--models", str(tiny_models), "--log-level", "error"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        assert process.stdout is not None
        assert "listens at" in process.stdout.readline()
        return process

    running = [start()]

    def restart() -> None:
        running[0].send_signal(signal.SIGKILL)
        end(running.pop())
        running.append(start())

    try:
        with (
            Client(f"127.0.0.1:{port}") as client,
            client.listen(cutting(chunks, {80}, restart), **OPTIONS) as listening,
        ):
            assert told(list(listening)) == undisturbed
        assert listening.reconnections >= 1
    finally:
        running[0].kill()
        end(running[0])


def end(process: subprocess.Popen[str]) -> None:
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_patience_ends_and_other_errors_are_told_at_once(chunks: list[bytes], server: str) -> None:
    with Client("127.0.0.1:1") as client:
        began_s = time.monotonic()
        with client.listen(chunks, patience_s=0.5, **OPTIONS) as listening:
            with pytest.raises(ServerUnavailable, match="no server at"):
                list(listening)
            assert 0.1 < time.monotonic() - began_s < 20  # it gives up after 0.15 s at the earliest
    with Client(server) as client:
        with client.listen(chunks, detectors=["nope"]) as listening, pytest.raises(NotFound):
            list(listening)
        with pytest.raises(InvalidInput, match="listening takes samples"):
            client.listen(chunks, encoding="CONTAINER")


def test_errors_of_the_callers_chunks_are_the_callers(server: str, chunks: list[bytes]) -> None:
    def failing() -> Iterator[bytes]:
        yield chunks[0]
        raise KeyError("microphone")

    with (
        Client(server) as client,
        client.listen(failing(), **OPTIONS) as listening,
        pytest.raises(KeyError, match="microphone"),
    ):
        list(listening)


def test_it_can_be_cancelled_from_another_thread(server: str, chunks: list[bytes]) -> None:
    more = threading.Event()

    def endless() -> Iterator[bytes]:
        yield from chunks[:20]
        more.wait(20)

    with Client(server) as client, client.listen(endless(), **OPTIONS) as listening:
        threading.Timer(0.5, listening.cancel).start()
        with pytest.raises(Cancelled):
            list(listening)
        more.set()


def test_it_can_be_cancelled_before_it_has_begun_and_while_the_server_is_away(
    server: str, chunks: list[bytes]
) -> None:
    """Where there is no stream to cancel just now."""
    with Client(server) as client, client.listen(chunks, **OPTIONS) as listening:
        listening.cancel()
        with pytest.raises(Cancelled):
            list(listening)

    async def scene() -> None:
        async with AsyncClient(server) as here, here.listen(chunks, **OPTIONS) as early:
            early.cancel()
            with pytest.raises(Cancelled):
                [update async for update in early]
        async with AsyncClient(server) as here, here.stream([], **OPTIONS) as stream:
            stream.cancel()
            with pytest.raises(Cancelled):
                [update async for update in stream]
        async with (
            AsyncClient("127.0.0.1:1") as nowhere,
            nowhere.listen(chunks, patience_s=60, **OPTIONS) as late,
        ):
            asyncio.get_running_loop().call_later(0.5, late.cancel)
            with pytest.raises(Cancelled):
                [update async for update in late]

    began_s = time.monotonic()
    asyncio.run(scene())
    assert time.monotonic() - began_s < 20


def test_a_stream_that_may_be_no_longer_is_followed_by_another(
    tiny_models: Path, chunks: list[bytes], undisturbed: Told
) -> None:
    """--max-stream-s ends streams, not what is listened to."""
    command = [sys.executable, "-m", "sweepnet_service", "--port", "0", "--max-stream-s", "2"]
    process = subprocess.Popen(
        [*command, "--models", str(tiny_models), "--log-level", "error"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[3]
        slow = cutting(chunks, set(range(0, 150, 15)), lambda: None, behind_s=0.3)
        with Client(address) as client, client.listen(slow, **OPTIONS) as listening:
            assert told(list(listening)) == undisturbed
        assert listening.reconnections >= 1
    finally:
        process.kill()
        end(process)
