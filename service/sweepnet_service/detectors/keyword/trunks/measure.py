"""How good a phone trunk is and what it costs: phone errors by corpus and split, work a second."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from cnn_core.decode import edit_distance, greedy_decode
from cnn_core.layers import Layer, Sequential
from cnn_core.summary import summary
from sweepnet_service.detectors.keyword.batch import Piece, SpotBatch
from sweepnet_service.detectors.keyword.dataset import Recording, read_samples
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.frontend import FrontEnd
from sweepnet_service.detectors.keyword.phones import pronounce_all
from sweepnet_service.detectors.keyword.session import SpotSession
from sweepnet_service.detectors.keyword.trunk import pad
from sweepnet_service.progress import Report, paced

HELD_OUT = ("validation", "test")
HOP_S, HEARD_S, TIMES = 0.03, 0.9, 3
STREAMS = 64
"""So many live streams are heard together, as a server hears them."""


@dataclass(frozen=True)
class PhoneErrors:
    """Edits of greedily decoded phones against those of the texts, summed over sentences."""

    sentences: int = 0
    phones: int = 0
    edits: int = 0

    def __add__(self, other: PhoneErrors) -> PhoneErrors:
        return PhoneErrors(
            self.sentences + other.sentences,
            self.phones + other.phones,
            self.edits + other.edits,
        )

    @property
    def percent(self) -> float:
        """Edits per phone of the texts, in percent; 0 of none."""
        return 100 * self.edits / max(1, self.phones)

    def to_dict(self) -> dict[str, float]:
        return {**asdict(self), "percent": round(self.percent, 2)}


def phone_errors(
    net: Layer, front: FrontEnd, recordings: Iterable[Recording], cache: Path, report: Report
) -> dict[str, PhoneErrors]:
    """The errors of validation and test recordings by "corpus, split"; pronunciations are kept in
    the file `cache`.
    """
    rows = [row for row in recordings if row.split in HELD_OUT and row.text]
    rows.sort(key=lambda row: (named(row), str(row.path), row.start_s))
    phones = pronounce_all((row.text for row in rows), cache)
    tell, done = paced("phone errors", len(rows), report), 0
    found: dict[str, PhoneErrors] = {}
    for name, of_name in groupby(rows, key=named):
        total = PhoneErrors()
        for row, samples in read_samples(of_name):
            total += errors_in(net, front, front.frames(samples), phones[row.text])
            tell(done := done + 1)
        found[name] = total
    return found


def named(row: Recording) -> str:
    """Corpus and split of a recording."""
    return f"{row.corpus}, {row.split}"


def errors_in(net: Layer, front: FrontEnd, frames: np.ndarray, phones: list[int]) -> PhoneErrors:
    """The errors of one sentence, frames (T, bands)."""
    decoded = greedy_decode(net.forward(pad([frames], front))[0])
    return PhoneErrors(1, len(phones), edit_distance(phones, decoded))


@dataclass(frozen=True)
class Cost:
    """What a live stream costs: multiply-adds of the trunk for each second of audio, and how long
    this machine takes for a second of one among 64, in hops of 30 ms on one thread.
    """

    multiply_adds_per_s: int
    stream_ms_per_s: float

    def to_dict(self) -> Mapping[str, float]:
        return {**asdict(self), "streams_a_core": int(1000 / max(self.stream_ms_per_s, 1e-3))}


def cost_of(detector: KeywordDetector, trunk: Sequential) -> Cost:
    """The cost of a detector whose trunk with its output is `trunk`."""
    return Cost(multiply_adds(detector, trunk), stream_ms(detector))


def multiply_adds(detector: KeywordDetector, net: Sequential, over_s: int = 60) -> int:
    """Multiply-adds for a second of audio, the mean over a minute's sweep."""
    frames = round(over_s / detector.features.hop_s)
    table = summary(net, (1, frames, detector.features.bands))
    return round(table.multiply_adds / over_s)


def stream_ms(detector: KeywordDetector) -> float:
    """Milliseconds for a second of one stream among 64 in hops: the best of three runs."""
    samples = np.random.default_rng(0).normal(0, 0.05, round(HEARD_S * detector.rate_hz))
    hop = round(HOP_S * detector.rate_hz)
    hops = np.split(samples.astype(np.float32), range(hop, len(samples), hop))
    taken = []
    for _ in range(TIMES):
        together = SpotBatch(detector)
        sessions = [SpotSession(detector, detector.rate_hz) for _ in range(STREAMS)]
        together.step([Piece(session, hops[0]) for session in sessions])
        began_s = time.perf_counter()
        for each in hops[1:]:
            together.step([Piece(session, each) for session in sessions])
        taken.append(time.perf_counter() - began_s)
    return 1000 * min(taken) / (STREAMS * HOP_S * (len(hops) - 1))
