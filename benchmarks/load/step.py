"""What a step of live streams costs by itself: no network, no event loop, one thread.

    python benchmarks/load/step.py [--streams N] [--channels N] [--seconds S] [--events-only]

Every stream has had another chunk first, so that some complete two windows and some three, as they
do live. Told is the processor time of one chunk of 80 ms of one channel, so others on the machine
disturb it less than a clock. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import sweepnet_service
from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword import KeywordDetector, SpotBatch
from sweepnet_service.live.lane import told
from sweepnet_service.live.request import SpotRequest
from sweepnet_service.live.stream import SpotStream

SHIPPED = Path(sweepnet_service.__file__).parent / "models" / "welcome.safetensors"
RATE_HZ, CHUNK_SAMPLES, FRAME_SAMPLES = 16_000, 1_280, 160
ROUND = 3
"""Steps after which streams complete as many windows again: 8 frames a chunk, 3 a window."""


def opened(streams: int, channels: int, events_only: bool) -> list[SpotStream]:
    """Streams of the shipped spotter that share their steps."""
    detector = KeywordDetector.load(SHIPPED)
    batch = SpotBatch(detector)
    request = SpotRequest(
        rate_hz=RATE_HZ,
        channel_count=channels,
        density="events" if events_only else "windows",
    )
    named = [("detectors/welcome", detector)]
    return [SpotStream(request, named, lambda _: batch) for _ in range(streams)]


def noise(samples: int) -> bytes:
    """Quiet noise, 16 bit."""
    drawn = np.random.default_rng(samples).integers(-2_000, 2_000, samples)
    return drawn.astype("<i2").tobytes()


def step(streams: list[SpotStream], chunks: list[bytes]) -> None:
    """One chunk of each stream."""
    steps = [each for s, chunk in zip(streams, chunks, strict=True) for each in s.steps(chunk)]
    for news in told([part for each in steps for part in each.begin()]):
        if isinstance(news, Exception):
            raise news


def rounds_s(streams: list[SpotStream], channels: int, seconds: float) -> Iterator[float]:
    """Processor time of a step, the mean of a round, over and over."""
    step(streams, [noise(channels * FRAME_SAMPLES * (n % ROUND)) for n in range(len(streams))])
    chunks = [noise(channels * CHUNK_SAMPLES)] * len(streams)
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        begun_s = time.thread_time()
        for _ in range(ROUND):
            step(streams, chunks)
        yield (time.thread_time() - begun_s) / ROUND


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--channels", type=int, default=1, help="of each stream")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--events-only", action="store_true")
    given = parser.parse_args()
    with threadpool_limits(1):
        streams = opened(given.streams, given.channels, given.events_only)
        took_s: Array = np.array(list(rounds_s(streams, given.channels, given.seconds)))
    each_us = 1e6 * took_s / (given.streams * given.channels)
    found = {"least_us": each_us.min(), "median_us": np.median(each_us)}
    print(json.dumps({**vars(given), **{name: round(float(us), 1) for name, us in found.items()}}))


if __name__ == "__main__":
    main()
