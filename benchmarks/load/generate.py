"""The load: live streams that send 80 ms every 80 ms; one line of JSON tells what came back.

    python generate.py ADDRESS STREAMS CHANNELS SECONDS every|events RAMP

RAMP streams begin in a second; what is measured begins once all of them have.

Latency runs from the moment at which a chunk was due, so a generator or a server that falls behind
is seen, to the reply that tells of its last sample.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import grpc
import wire

SETTLE_S = 1.5
LATE_S = 3.0
"""Replies that take longer than the run and this are counted as never come."""
CHANNELS_OF_A_CONNECTION = 50


@dataclass
class Tally:
    """What came of all streams."""

    begin_s: float
    end_s: float
    sent: int = 0
    latencies_s: list[float] = field(default_factory=list)
    accepted: int = 0
    refusals_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Stream:
    """One live stream: a task that sends by the clock, another that reads."""

    def __init__(self, channel: Any, tally: Tally, channels: int, events_only: bool) -> None:
        self._method = channel.stream_stream(wire.PATH)
        self._tally, self._events_only = tally, events_only
        self._opening = wire.opening(channels, events_only)
        self._chunk = wire.audio(noise(wire.CHUNK_SAMPLES * channels))
        self._due_s: list[float] = []

    async def run(self, start_s: float) -> None:
        await asyncio.sleep(start_s - time.perf_counter())
        call = self._method()
        asked_s = time.perf_counter()
        sending: asyncio.Task[None] | None = None
        try:
            await call.write(self._opening)
            # What is written into a call that is refused meanwhile turns its status into INTERNAL,
            # "Internal error from Core" (grpc #36066).
            if await call.read() is grpc.aio.EOF:
                return
            self._tally.accepted += 1
            sending = asyncio.create_task(self._send(call))
            await self._read(call)
        except grpc.aio.AioRpcError:
            self._refused(await call.code(), await call.details(), asked_s)
        except asyncio.InvalidStateError:
            pass
        finally:
            if sending is not None:
                sending.cancel()
            call.cancel()

    async def _send(self, call: Any) -> None:
        due_s = time.perf_counter()
        try:
            while due_s < self._tally.end_s:
                await asyncio.sleep(due_s - time.perf_counter())
                self._due_s.append(due_s)
                if due_s >= self._tally.begin_s:
                    self._tally.sent += 1
                await call.write(self._chunk)
                due_s += wire.CHUNK_S
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError):
            return

    async def _read(self, call: Any) -> None:
        tally = self._tally
        while (reply := await call.read()) is not grpc.aio.EOF:
            now_s = time.perf_counter()
            if reply[0] != wire.UPDATE:
                continue
            chunks = wire.read_until(reply) // wire.CHUNK_SAMPLES
            due_s = self._due_s[chunks - 1]
            if tally.begin_s <= due_s < tally.end_s:
                tally.latencies_s.append(now_s - due_s)
            if now_s > tally.end_s + LATE_S or (
                due_s + wire.CHUNK_S >= tally.end_s and not self._events_only
            ):
                return

    def _refused(self, code: Any, details: str, asked_s: float) -> None:
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            self._tally.refusals_s.append(time.perf_counter() - asked_s)
        else:
            self._tally.failures.append(f"{code.name}: {details}"[:200])


def noise(count: int) -> bytes:
    """Quiet noise: 16-bit samples."""
    draw = random.Random(count)
    return b"".join(
        draw.randrange(-2_000, 2_000).to_bytes(2, "little", signed=True) for _ in range(count)
    )


async def load(
    address: str, streams: int, channels: int, seconds: float, events: bool, ramp: float
) -> Tally:
    """What came of so many streams over so many seconds behind their beginning."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    connections = [
        grpc.aio.insecure_channel(address, options=options)
        for _ in range(0, streams, CHANNELS_OF_A_CONNECTION)
    ]
    start_s = time.perf_counter() + 0.2
    begin_s = start_s + streams / ramp + SETTLE_S
    tally = Tally(begin_s, begin_s + seconds)
    # Streams begin spread evenly, so chunks of all of them are due all the time.
    running = [
        asyncio.create_task(
            Stream(connections[n // CHANNELS_OF_A_CONNECTION], tally, channels, events).run(
                start_s + n / ramp + random.random() * wire.CHUNK_S
            )
        )
        for n in range(streams)
    ]
    await asyncio.wait(running, timeout=tally.end_s + LATE_S - time.perf_counter())
    print_result(tally)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return tally


def print_result(tally: Tally) -> None:
    """One line: how many chunks were due and answered, latencies, refusals, failures."""
    found = sorted(tally.latencies_s)
    print(
        json.dumps(
            {
                "sent": tally.sent,
                "answered": len(found),
                "p50_ms": percentile(found, 0.5),
                "p99_ms": percentile(found, 0.99),
                "accepted": tally.accepted,
                "refused": len(tally.refusals_s),
                "refusal_p99_ms": percentile(sorted(tally.refusals_s), 0.99),
                "failures": tally.failures[:3],
                "failed": len(tally.failures),
            }
        ),
        flush=True,
    )


def percentile(in_order: list[float], share: float) -> float | None:
    """In milliseconds; None of nothing."""
    if not in_order:
        return None
    return round(1e3 * in_order[min(len(in_order) - 1, int(share * len(in_order)))], 2)


if __name__ == "__main__":
    where, count, width, length, density, pace = sys.argv[1:]
    wire.run(load(where, int(count), int(width), float(length), density == "events", float(pace)))
