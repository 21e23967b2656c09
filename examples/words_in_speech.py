"""Recordings of continuous speech with one recorded word set in, as the phone trunk hears them.

Each is 5 to 10 s of a reader, with a clip at a random place and at the same level. In half of them
it is WORD, in the others another word of the same collection, so that neither the cut nor the
microphone tells. Splits are those of the data: no reader is in two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.errors import CoreError
from cnn_core.layers import Layer
from cnn_core.weak import Padded
from sweepnet_service.detectors.keyword.augment import LEVEL_DB, loud_span_s, set_level
from sweepnet_service.detectors.keyword.dataset import (
    RATE_HZ,
    Spoken,
    read_clips,
    read_continuous,
    read_samples,
)
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.progress import Progress, Report

WORD, OTHERS = "computer", ("alexa", "jarvis", "snowboy")
SENTENCES = {"train": 500, "validation": 106, "test": 111}
"""How many are decoded for the surroundings."""
SHORTEST_S, LONGEST_S, FADE_S = 5.0, 10.0, 0.01


@dataclass(frozen=True, eq=False)
class Made:
    """A recording: samples (n,) at 16 kHz, whether it holds the word, what was set in and where."""

    samples: Array
    holds: bool
    clip: str
    span_s: tuple[float, float]
    """Start and end of the clip's word; never shown to the training."""


@dataclass(frozen=True, eq=False)
class Heard:
    """Recordings as the trunk hears them: (N, T, C) padded, how much is real, and the truth."""

    activations: Array
    lengths: Integers
    holds: Array
    spans_s: Array

    def __len__(self) -> int:
        return len(self.holds)

    def batch(self, rows: Integers, rng: np.random.Generator) -> tuple[Padded, Array]:
        """What `fit` asks for."""
        return self.padded(rows), self.holds[rows, None]

    def padded(self, rows: Integers | slice) -> Padded:
        """Activations (n, T, C) in float32, as long as the longest of them."""
        lengths = self.lengths[rows]
        values = self.activations[rows][:, : lengths.max()].astype(np.float32)
        return Padded(values, lengths[:, None])


def surroundings(data: Path, split: str, most: int, seed: int, report: Report) -> list[Array]:
    """At most so many sentences of a split, long enough and without the word; (n,) each."""
    rows = [
        row
        for row in read_continuous(data)
        if row.split == split
        and row.corpus == "librispeech"
        and WORD not in row.text
        and (row.end_s or 0) - row.start_s > SHORTEST_S
    ]
    chosen = np.random.default_rng(seed).permutation(len(rows))[: min(most, SENTENCES[split])]
    kept = [rows[index] for index in sorted(chosen)]
    return [samples for _, samples in counted(read_samples(kept), len(kept), split, report)]


def words(data: Path, split: str) -> tuple[list[Spoken], list[Spoken]]:
    """Clips of the word, and of the other words."""
    rows = [row for row in read_clips(data) if row.split == split]
    named = [[row for row in rows if row.text in texts] for texts in ((WORD,), OTHERS)]
    found, others = (list(read_samples(part)) for part in named)
    return found, others


def counted(items: Iterable[Spoken], total: int, stage: str, report: Report) -> Iterable[Spoken]:
    for done, item in enumerate(items, 1):
        if done % 20 == 0 or done == total:
            report(Progress(f"reading {stage}", done, total))
        yield item


def compose(rng: np.random.Generator, speech: Sequence[Array], spoken: Spoken, holds: bool) -> Made:
    """5 to 10 s of one reader with a clip set in at a random place, both at the same level."""
    long_enough = [samples for samples in speech if len(samples) > SHORTEST_S * RATE_HZ]
    sentence = long_enough[int(rng.integers(len(long_enough)))]
    most = min(LONGEST_S, len(sentence) / RATE_HZ)
    length = int(rng.uniform(SHORTEST_S, most) * RATE_HZ)
    first = int(rng.integers(0, len(sentence) - length + 1))
    around = set_level(sentence[first : first + length], LEVEL_DB).copy()
    recording, samples = spoken
    clip, start_s, end_s = word_of(samples)
    at = int(rng.integers(0, length - len(clip)))
    fade = np.clip(np.minimum(np.arange(len(clip)), np.arange(len(clip))[::-1])
                   / (FADE_S * RATE_HZ), 0, 1)  # fmt: skip
    part = slice(at, at + len(clip))
    around[part] = (1 - fade) * around[part] + fade * clip
    span_s = (at / RATE_HZ + start_s, at / RATE_HZ + end_s)
    return Made(around, holds, recording.text, span_s)


def word_of(samples: Array, margin_s: float = 0.05) -> tuple[Array, float, float]:
    """The loud part of a clip with a margin, at the level of speech, and the word's times in it.

    The manifest's times are of the whole clip where it is noisy; so the word is where it is loud.
    """
    start_s, end_s = loud_span_s(samples)
    first = max(0, round((start_s - margin_s) * RATE_HZ))
    part = samples[first : round((end_s + margin_s) * RATE_HZ)]
    return set_level(part, LEVEL_DB), start_s - first / RATE_HZ, end_s - first / RATE_HZ


def made(data: Path, split: str, count: int, seed: int, report: Report) -> list[Made]:
    """Recordings of a split; every second one holds the word."""
    speech = surroundings(data, split, count, seed, report)
    found, others = words(data, split)
    if not found or not others or not speech:
        raise CoreError(f"{data}: holds no clips of {WORD!r} or no speech in split {split}")
    rng = np.random.default_rng((seed, len(speech)))
    pools = (others, found)
    return [
        compose(rng, speech, pools[n % 2][int(rng.integers(len(pools[n % 2])))], n % 2 == 1)
        for n in range(count)
    ]


def hear(
    features: LogMel, trunk: Layer, recordings: Sequence[Made], stage: str, report: Report
) -> Heard:
    """The recordings through log-mel features and the frozen trunk."""
    outputs = []
    for done, recording in enumerate(recordings, 1):
        frames = features.frames(recording.samples)
        outputs.append(trunk.forward(frames[None])[0].astype(np.float16))
        if done % 20 == 0 or done == len(recordings):
            report(Progress(f"trunk {stage}", done, len(recordings)))
    lengths = np.array([len(output) for output in outputs])
    padded = np.zeros((len(outputs), lengths.max(), outputs[0].shape[1]), np.float16)
    for row, output in zip(padded, outputs, strict=True):
        row[: len(output)] = output
    holds = np.array([recording.holds for recording in recordings], np.float32)
    return Heard(padded, lengths, holds, np.array([r.span_s for r in recordings]))
