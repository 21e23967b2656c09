"""Latency of live streams while versions are promoted: the 99th percentile with and without.

    python benchmarks/load/promotion.py [--streams 16] [--seconds 12] [--every 2]

The same streams run twice against one server: alone, then while another version of the detector
that they hear becomes live every few seconds; each is loaded and checked by the server, and streams
go over to it within a second. Both runs follow each other three times, medians are told. The last
line is JSON; the exit code is 1 where a stream was refused, failed or was not answered.
"""

from __future__ import annotations

import argparse
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
ROUNDS = 3


def two_versions(folder: Path) -> Path:
    """A folder of models in which `welcome` has two versions, the second a little stricter."""
    models = folder / "models"
    models.mkdir()
    shipped = SHIPPED / "welcome.safetensors"
    detector = KeywordDetector.load(shipped)
    stricter = {label: (1 + x) / 2 for label, x in detector.default_thresholds.items()}
    replace(detector, default_thresholds=stricter).save(folder / "stricter.safetensors")
    publishing.publish(Library(models), NAME, folder / "stricter.safetensors")
    return models


@contextmanager
def promoting(address: str, every_s: float) -> Iterator[list[float]]:
    """While inside, one version after the other becomes live; how long each call took, in ms."""
    ended, took_ms = threading.Event(), list[float]()

    def promote() -> None:
        with Client(address) as client:
            workshop, number = Workshop(client), 1
            while not ended.wait(every_s):
                number = 3 - number
                began_s = time.perf_counter()
                workshop.promote(f"{NAME}/versions/{number}")
                took_ms.append(1e3 * (time.perf_counter() - began_s))

    thread = threading.Thread(target=promote)
    thread.start()
    try:
        yield took_ms
    finally:
        ended.set()
        thread.join()


def measured(streams: int, seconds: float, every_s: float) -> tuple[dict[str, Any], bool]:
    """Medians over the rounds, and whether every stream was served."""
    load = loaded()
    whole, rows, promotions = True, {"alone": list[float](), "promoting": list[float]()}, 0
    with tempfile.TemporaryDirectory() as folder:
        models = two_versions(Path(folder))
        command = [*load.ours(), "--models", str(models), "--hand-over-s", "1"]
        with load.server(command) as (address, _):
            load.warm(address)
            for _ in range(ROUNDS):
                told = load.trial(address, streams, seconds)
                rows["alone"].append(told["p99_ms"])
                whole &= told["accepted"] == streams and not told["failed"]
                with promoting(address, every_s) as took_ms:
                    told = load.trial(address, streams, seconds)
                rows["promoting"].append(told["p99_ms"])
                whole &= told["accepted"] == streams and not told["failed"]
                promotions += len(took_ms)
    medians = {f"{name}_p99_ms": statistics.median(each) for name, each in rows.items()}
    return {"streams": streams, "promotions": promotions, **medians, "rounds": rows}, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=12.0, help="length of a trial")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between promotions")
    given = parser.parse_args()
    loaded().end_servers_too()
    told, whole = measured(given.streams, given.seconds, given.every)
    print(json.dumps(told))
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
