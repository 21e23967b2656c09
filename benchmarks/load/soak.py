"""A server under mixed use for an hour: memory must stay flat, and answers what they were.

    python benchmarks/load/soak.py [--minutes 60] [--clients 8] [--uses-per-s N]

Clients stream, hang up in the middle, read slowly, send whole files, pictures and nonsense, at
random, without pause or so often in the mean. Memory is read every few seconds; the straight
line through the later two thirds may climb by 16 MiB. The last line is JSON; the exit code is 1
where anything went wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

import wire
from fuzz import SPOKEN, loaded, unhealthy

from sweepnet import Client, InvalidInput, LimitExceeded, SweepnetError

FLOWER = SPOKEN.parent / "flower.png"
MOST_KIB = 16 * 1024
LOOK_EVERY_S = 5.0
SECOND = bytes(2 * wire.RATE_HZ)


def whole_file(client: Client, draw: random.Random) -> None:
    client.spot(SPOKEN, features=draw.random() < 0.3)


def picture(client: Client, draw: random.Random) -> None:
    client.detect(FLOWER, score_map=draw.random() < 0.3)


def stream(client: Client, draw: random.Random) -> None:
    """A live stream of some seconds, read to its end."""
    chunks = [draw.randbytes(2 * draw.randrange(1, 4_000)) for _ in range(draw.randrange(1, 60))]
    with client.stream(chunks, channel_count=1) as opened:
        for _ in opened:
            pass


def hung_up(client: Client, draw: random.Random) -> None:
    """A stream that nobody ends."""
    with client.stream([SECOND] * 20) as opened:
        for count, _ in enumerate(opened):
            if count == draw.randrange(4):
                return


def slow(client: Client, draw: random.Random) -> None:
    """A stream whose replies wait to be read."""
    with client.stream([SECOND] * 5) as opened:
        for _ in opened:
            time.sleep(draw.random() * 0.2)


def nonsense(client: Client, draw: random.Random) -> None:
    try:
        client.spot(draw.randbytes(draw.randrange(1, 5_000)))
    except InvalidInput:
        return
    raise AssertionError("nonsense was taken for audio")


USES: tuple[Callable[[Client, random.Random], None], ...] = (
    whole_file, picture, stream, stream, hung_up, slow, nonsense,
)  # fmt: skip


def use(
    address: str, seed: int, end_s: float, pause_s: float, done: Counter[str], wrong: list[str]
) -> None:
    """One client until the time is over, pausing so long in the mean after each use."""
    draw = random.Random(seed)
    with Client(address) as client:
        while time.monotonic() < end_s:
            work = draw.choice(USES)
            try:
                work(client, draw)
                done[work.__name__] += 1
            except LimitExceeded:
                done["refused"] += 1
                time.sleep(0.2)
            except (SweepnetError, AssertionError) as error:
                wrong.append(f"{work.__name__}: {error}")
            time.sleep(min(2 * draw.random() * pause_s, max(0.0, end_s - time.monotonic())))


def climb(looks: list[tuple[float, int]]) -> float:
    """KiB a second of the straight line through what was looked at, once or more."""
    mean_s = sum(at for at, _ in looks) / len(looks)
    mean_kib = sum(kib for _, kib in looks) / len(looks)
    spread = sum((at - mean_s) ** 2 for at, _ in looks)
    return sum((at - mean_s) * (kib - mean_kib) for at, kib in looks) / (spread or 1.0)


def soak(address: str, process: int, minutes: float, clients: int, pause_s: float) -> bool:
    """Whether the server stood it."""
    memory, done, wrong = loaded().memory_kib, Counter[str](), list[str]()
    with Client(address) as client:
        expected = client.spot(SPOKEN)
        began_s = time.monotonic()
        end_s = began_s + 60 * minutes
        threads = [
            threading.Thread(
                target=use, args=(address, seed, end_s, pause_s, done, wrong), daemon=True
            )
            for seed in range(clients)
        ]
        for thread in threads:
            thread.start()
        looks: list[tuple[float, int]] = []
        while time.monotonic() < end_s:
            time.sleep(min(LOOK_EVERY_S, 60 * minutes / 20))
            looks.append((time.monotonic() - began_s, memory(process)))
            print(f"{looks[-1][0]:7.0f} s  {looks[-1][1]} KiB  {done.total()} uses", flush=True)
        for thread in threads:
            thread.join(30)
        wrong += ["a client waits for ever" for thread in threads if thread.is_alive()]
        wrong += unhealthy(client, expected)
    later = looks[len(looks) // 3 :]
    climbed_kib = climb(later) * (later[-1][0] - later[0][0])
    if climbed_kib > MOST_KIB:
        wrong.append(f"memory climbs by {climbed_kib:.0f} KiB")
    told = {
        "minutes": minutes,
        "uses": dict(done),
        "kib": [looks[0][1], looks[-1][1]],
        "climbed_kib": round(climbed_kib),
        "wrong": wrong[:5],
    }
    print(json.dumps(told))
    return not wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--uses-per-s", type=float, help="of all clients together")
    given = parser.parse_args()
    pause_s = given.clients / given.uses_per_s if given.uses_per_s else 0.0
    load = loaded()
    load.end_servers_too()
    with load.server(load.ours()) as (address, process):
        return 0 if soak(address, process, given.minutes, given.clients, pause_s) else 1


if __name__ == "__main__":
    sys.exit(main())
