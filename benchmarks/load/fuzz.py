"""Messages that no client sends: each call must get a status, the server live on and not grow.

    python benchmarks/load/fuzz.py [--messages 100000] [--seed 0]

Bytes of real messages are cut, swapped, repeated, flipped and made up, and sent as the first or a
later message of every method; every 2,000 messages a real recording must get the answer it had
at the beginning. The last line is JSON; the exit code is 1 where anything went wrong.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import wire

from sweepnet import Client, SweepnetError, _calls, _convert, _convert_models, _convert_pictures

HERE = Path(__file__).resolve().parent
SPOKEN = HERE.parents[1] / "clients/python/sweepnet/demo/assets/welcome.wav"
TIMEOUT_S = 20.0
HEALTH_EVERY = 2_000
MOST_KIB_A_THOUSAND = 300.0
UNEXPECTED = {"UNKNOWN", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
"""Statuses that no message may cause: the server failed, died or hung."""
ONE = tuple(
    call.path
    for call in (_calls.DETECT, _calls.LIST_MODELS, _calls.GET_MODEL, _calls.GET_OPERATION)
)


def seeds() -> list[bytes]:
    """Real messages of every kind, to be spoilt."""
    spot = _convert.spot_config(
        {"detectors": ["welcome"], "thresholds": {"welcome": 0.5}, "features": True}
    )
    contained = _convert.spot_config({"encoding": "CONTAINER"})
    samples = [wire.audio(bytes(n)) for n in (0, 2, 2560)]
    whole = wire.audio(SPOKEN.read_bytes()[:20_000])
    picture = _convert_pictures.detect_request(
        (SPOKEN.parent / "flower.png").read_bytes()[:3_000], {"max_boxes": 3}
    )
    others = [_convert_models.models_request(""), _convert_models.model_request("welcome")]
    told = [message.SerializeToString() for message in (spot, contained, picture, *others)]
    return [*told, *samples, whole]


def spoilt(draw: random.Random, known: Sequence[bytes]) -> bytes:
    """A message that is nearly one, or none at all."""
    data = bytearray(draw.choice(known))
    for _ in range(draw.randrange(4)):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data[at:at] = draw.randbytes(draw.randrange(1, 12))
            case 2 if data:
                data[at - 1] ^= 1 << draw.randrange(8)
            case 3:
                data += draw.choice(known)[:at]
            case 4:
                data[at : at + 4] = b"\xff" * draw.randrange(12)
            case 5:
                data = bytearray(draw.randbytes(draw.randrange(200)))
    return bytes(data)


def calls(draw: random.Random, known: Sequence[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Methods with the messages to send them."""
    while True:
        if draw.random() < 0.25:
            yield draw.choice(ONE), [spoilt(draw, known)]
            continue
        beginning = known[draw.randrange(2)] if draw.random() < 0.5 else spoilt(draw, known)
        later = [spoilt(draw, known) for _ in range(draw.randrange(6))]
        yield wire.PATH, [beginning, *later]


def answer(channel: Any, path: str, messages: list[bytes]) -> str:
    """The status that a call ends with."""
    try:
        if path == wire.PATH:
            for _ in channel.stream_stream(path)(iter(messages), timeout=TIMEOUT_S):
                pass
        else:
            channel.unary_unary(path)(messages[0], timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def fuzz(address: str, process: int, count: int, seed: int, memory: Callable[[int], int]) -> bool:
    """Sends so many messages; whether the server stood it. The last line printed is JSON."""
    draw, known = random.Random(seed), seeds()
    statuses: Counter[str] = Counter()
    wrong: list[str] = []
    began_s, sent, health = time.monotonic(), 0, 0
    with Client(address) as client, grpc.insecure_channel(address) as channel:
        expected = client.spot(SPOKEN)
        before = memory(process)
        for path, messages in calls(draw, known):
            status = answer(channel, path, messages)
            statuses[status] += 1
            if status in UNEXPECTED:
                wrong.append(f"{status} {path} {[m.hex()[:200] for m in messages]}")
            sent += len(messages)
            if sent >= (health + 1) * HEALTH_EVERY or sent >= count:
                health += 1
                wrong += unhealthy(client, expected)
                print(f"{sent} messages  {dict(statuses)}  {memory(process)} KiB", flush=True)
            if sent >= count or len(wrong) > 20:
                break
    grown = memory(process) - before
    per_thousand = 1_000 * grown / max(sent, 1)
    if sent >= 20_000 and per_thousand > MOST_KIB_A_THOUSAND:
        wrong.append(f"memory grew by {grown} KiB")
    told = {
        "messages": sent,
        "calls": statuses.total(),
        "statuses": dict(statuses),
        "grown_kib": grown,
        "seconds": round(time.monotonic() - began_s, 1),
        "wrong": wrong[:5],
    }
    print(json.dumps(told))
    return not wrong


def unhealthy(client: Client, expected: Any) -> list[str]:
    """What is wrong with the answer to a real recording."""
    try:
        same = client.spot(SPOKEN).events == expected.events
    except SweepnetError as error:
        return [f"a real recording fails: {error.message}"]
    return [] if same else ["a real recording is answered otherwise"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    load = loaded()
    load.end_servers_too()
    with load.server(load.ours()) as (address, process):
        ended_well = fuzz(address, process, given.messages, given.seed, load.memory_kib)
    return 0 if ended_well else 1


def loaded() -> Any:
    """The module that starts servers; `__main__` is this one's own name."""
    spec = importlib.util.spec_from_file_location("load", HERE / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
