"""How many live streams a server holds, beside a bare echo server of the same transport.

    python benchmarks/load [--seconds S] [--first N] [--only streams|channels|overload]

Each count is found by bisection: 80 ms chunks, a reply to each, the 99th percentile from chunk
sent to score received at most 100 ms. Server, echo server and generator are processes of their
own on the same machine. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweepnet import Client

HERE = Path(__file__).resolve().parent
SPOKEN = HERE.parents[1] / "clients/python/sweepnet/demo/assets/welcome.wav"
MOST_MS = 100.0
LEAST_ANSWERED = 0.99
CLOSE = 0.05
CHANNELS_OF_A_CALL = 16
MOST = 8_192
REST_S = 3.0
"""Between trials: a server that was full a moment ago refuses the first of the next."""
RAMP, SLOW_RAMP = 200.0, 25.0
"""Streams that begin in a second; slowly where a server is to notice that it is full."""


def end_servers_too() -> None:
    """Ended from outside, this program would leave its servers behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@contextmanager
def server(command: list[str]) -> Iterator[tuple[str, int]]:
    """Address and process id of a server that runs as long."""
    process = subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        line = process.stdout.readline()
        if "listens at " not in line:
            raise SystemExit(f"the server did not start: {line!r}")
        yield line.split("listens at ")[1].split()[0], process.pid
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(30)
        process.stdout.close()


def trial(
    address: str, streams: int, seconds: float, channels: int = 1, ramp: float = RAMP
) -> dict[str, Any]:
    """What came of so many streams, as the generator tells."""
    time.sleep(REST_S)
    density = "events" if channels > 1 else "every"
    command = [sys.executable, str(HERE / "generate.py"), address, str(streams), str(channels)]
    command += [str(seconds), density, str(ramp)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not done.stdout.strip():
        raise SystemExit(f"the generator failed:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {streams:5} streams: {told}", flush=True)
    return told


def held(told: dict[str, Any], streams: int, every: bool = True) -> bool:
    """Whether all streams were served within the limit."""
    complete = told["answered"] >= LEAST_ANSWERED * told["sent"] if every else told["answered"] > 0
    whole = told["accepted"] == streams and not told["failed"] and complete
    return bool(whole and told["p99_ms"] is not None and told["p99_ms"] <= MOST_MS)


def most(works: Callable[[int], bool], first: int) -> int:
    """The largest count that works, to a twentieth; 0 where not even one does."""
    low, high = 0, first
    while works(high):
        low, high = high, 2 * high
        if high > MOST:
            return low
    while high - low > max(1, CLOSE * high):
        middle = (low + high) // 2
        low, high = (middle, high) if works(middle) else (low, middle)
    return low


def memory_kib(process: int) -> int:
    """Resident memory of a process and its children."""
    status = Path(f"/proc/{process}/status").read_text()
    own = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return own + sum(memory_kib(int(child)) for child in children)


def memory_per_stream_kib(address: str, process: int, streams: int, seconds: float) -> float:
    """Resident memory that each of so many open streams adds, of those that were let in; the
    highest while they run."""
    before = memory_kib(process)
    command = [sys.executable, str(HERE / "generate.py"), address, str(streams), "1"]
    command += [str(seconds), "every", str(RAMP)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    highest = before
    while run.poll() is None:
        highest = max(highest, memory_kib(process))
        try:
            run.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    told: dict[str, Any] = json.loads(run.communicate()[0].splitlines()[-1])
    print(f"  {streams:5} streams, {highest - before} KiB more: {told}", flush=True)
    return (highest - before) / max(1, int(told["accepted"]))


def multiply_adds_per_s(address: str) -> float:
    """Of the shipped spotter, live, for each second of audio."""
    with Client(address) as client:
        model = client.model("welcome")
    assert model.network is not None
    layers = model.network.layers
    total = max(layer.stride[0] for layer in layers if layer.stride)
    frame_s = model.hop_s / total
    return sum(
        layer.multiply_add_count / layer.output_shape[1] / (frame_s * layer.stride[0])
        for layer in layers
        if layer.stride and layer.multiply_add_count and not inside(layer, layers)
    )


def inside(layer: Any, layers: Any) -> bool:
    """Whether a layer's work is counted by those it is made of."""
    return any(each.path.startswith(f"{layer.path}.") for each in layers)


def warm(address: str) -> None:
    """Has the server load what it scores with."""
    with Client(address) as client:
        client.spot(SPOKEN)


def ours() -> list[str]:
    """The server's command: as it is shipped, on a free port."""
    return ["-m", "sweepnet_service", "--port", "0", "--log-level", "error"]


def streams(first: int, seconds: float) -> dict[str, Any]:
    """Live streams with a reply to every chunk, and what each costs in memory, beside echo."""
    found: dict[str, Any] = {}
    for name, command in (("echo", [str(HERE / "echo.py")]), ("sweepnet", ours())):
        print(f"{name}: live streams, a reply to each chunk", flush=True)
        with server(command) as (address, process):
            if name == "sweepnet":
                found["multiply_adds_per_s_of_audio"] = round(multiply_adds_per_s(address))
                warm(address)
            count = most(lambda n, a=address: held(trial(a, n, seconds), n), first)  # type: ignore[misc]
        found[f"{name}_streams"] = count
    for name, command in (("echo", [str(HERE / "echo.py")]), ("sweepnet", ours())):
        with server(command) as (address, process):
            trial(address, 4, 1.0)
            if name == "sweepnet":
                warm(address)
            count = max(1, found["sweepnet_streams"] * 3 // 4)
            kib = memory_per_stream_kib(address, process, count, 2.0)
        found[f"{name}_kib_per_stream"] = round(kib, 1)
    return found


def channels(first: int, seconds: float) -> dict[str, Any]:
    """Channels at 16 a call, events only."""
    print("sweepnet: 16 channels a call, events only", flush=True)
    with server(ours()) as (address, _):
        warm(address)

        def works(calls: int) -> bool:
            told = trial(address, calls, max(seconds, 4.0), CHANNELS_OF_A_CALL)
            return held(told, calls, every=False)

        return {"channels": CHANNELS_OF_A_CALL * most(works, max(1, first // CHANNELS_OF_A_CALL))}


def overload(streams: int, seconds: float) -> dict[str, Any]:
    """Three times what is held: who is accepted keeps the latency, the rest is refused at once."""
    print(f"sweepnet: {3 * streams} streams where {streams} are held", flush=True)
    with server(ours()) as (address, _):
        warm(address)
        return {"overload": trial(address, 3 * streams, seconds, ramp=SLOW_RAMP)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a trial")
    parser.add_argument("--first", type=int, default=64, help="streams of the first trial")
    parser.add_argument("--only", choices=["streams", "channels", "overload"])
    parser.add_argument("--held", type=int, default=0, help="streams held, for overload alone")
    given = parser.parse_args()
    end_servers_too()
    found: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "machine": platform.machine()}
    if given.only in (None, "streams"):
        found |= streams(given.first, given.seconds)
        echo = found["echo_streams"]
        found["share_of_echo"] = round(found["sweepnet_streams"] / echo, 3) if echo else None
    if given.only in (None, "channels"):
        found |= channels(given.first, given.seconds)
    if given.only in (None, "overload"):
        found |= overload(given.held or found.get("sweepnet_streams", given.first), given.seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
