"""Latency of live streams while versions are promoted: the 99th percentile with and without.

    python benchmarks/load/promotion.py [--streams 16] [--seconds 12] [--every 2] [--rounds 3]

The same streams run twice against one server: alone, then while another version of the detector
that they hear becomes live every few seconds. Each is one that the server has not loaded, or has
let go, and streams go over to it within a second. Both runs follow each other in rounds, medians
are told. The last line is JSON; the exit code is 1 where a stream was refused or failed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fuzz import loaded

from sweepnet import Client
from sweepnet.workshop import Workshop
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.store import Library, publishing
from sweepnet_service.store.entries import SHIPPED

NAME = "detectors/welcome"
VERSIONS = 8
"""More than a server keeps in memory behind the live one."""


def with_versions(folder: Path) -> Path:
    """A folder of models in which `welcome` has several versions, each a little stricter."""
    models = folder / "models"
    models.mkdir()
    detector = KeywordDetector.load(SHIPPED / "welcome.safetensors")
    for number in range(VERSIONS - 1):
        raised = 0.01 * (number + 1)
        stricter = {x: y + raised * (1 - y) for x, y in detector.default_thresholds.items()}
        made = folder / f"{number}.safetensors"
        replace(detector, default_thresholds=stricter).save(made)
        publishing.publish(Library(models), NAME, made)
    return models


@contextmanager
def promoting(address: str, every_s: float) -> Iterator[list[float]]:
    """While inside, one version after the other becomes live; how long each call took, in ms."""
    ended, took_ms = threading.Event(), list[float]()

    def promote() -> None:
        with Client(address) as client:
            workshop, numbers = Workshop(client), itertools.cycle(range(1, VERSIONS + 1))
            while not ended.wait(every_s):
                began_s = time.perf_counter()
                workshop.promote(f"{NAME}/versions/{next(numbers)}")
                took_ms.append(1e3 * (time.perf_counter() - began_s))

    thread = threading.Thread(target=promote)
    thread.start()
    try:
        yield took_ms
    finally:
        ended.set()
        thread.join()


def measured(
    streams: int, seconds: float, every_s: float, rounds: int
) -> tuple[dict[str, Any], bool]:
    """Medians over the rounds, and whether every stream was served."""
    load = loaded()
    whole, took_ms = True, list[float]()
    rows = {"alone": list[float](), "promoting": list[float]()}
    with tempfile.TemporaryDirectory() as folder:
        models = with_versions(Path(folder))
        command = [*load.ours(), "--models", str(models), "--hand-over-s", "1"]
        with load.server(command) as (address, _):
            load.warm(address)
            for _ in range(rounds):
                told = load.trial(address, streams, seconds)
                rows["alone"].append(told["p99_ms"])
                whole &= told["accepted"] == streams and not told["failed"]
                with promoting(address, every_s) as took:
                    told = load.trial(address, streams, seconds)
                rows["promoting"].append(told["p99_ms"])
                whole &= told["accepted"] == streams and not told["failed"]
                took_ms += took
    medians = {f"{name}_p99_ms": statistics.median(each) for name, each in rows.items()}
    medians["promotion_ms"] = round(statistics.median(took_ms), 1)
    return {"streams": streams, "promotions": len(took_ms), **medians, "rounds": rows}, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=12.0, help="length of a trial")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between promotions")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    loaded().end_servers_too()
    told, whole = measured(given.streams, given.seconds, given.every, given.rounds)
    print(json.dumps(told))
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
