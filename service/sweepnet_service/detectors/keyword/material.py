"""What a head learns from: recordings and synthetic speech -> activations of the trunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword.activations import quiet, segments_round_words, streams
from sweepnet_service.detectors.keyword.augment import Augment
from sweepnet_service.detectors.keyword.bank import Bank, augmented, plain
from sweepnet_service.detectors.keyword.dataset import (
    Recording,
    Spoken,
    may_ship,
    once,
    read_clips,
    read_continuous,
    read_noise,
    read_samples,
    says,
)
from sweepnet_service.detectors.keyword.head import Examples
from sweepnet_service.detectors.keyword.parallel import in_order
from sweepnet_service.detectors.keyword.prepare import Rows, kept_bank
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.synthesis import Clip, Plan
from sweepnet_service.progress import Progress, Report, paced

SYNTHETIC = Path("synthetic")
PART_CLIPS = 100
"""Clips in one kept part: what an interruption may cost."""
SYNTHETIC_SHARE, REAL_SHARE, SPLICED_SHARE = 0.45, 0.25, 0.3


@dataclass(frozen=True)
class Material:
    """Recordings by role: `positive` with `word_s`, `speech` and `noise` without the word."""

    positive: Sequence[Recording] = ()
    speech: Sequence[Recording] = ()
    noise: Sequence[Recording] = ()
    synthetic_positive: Sequence[Spoken] = field(default=())
    synthetic_negative: Sequence[Spoken] = field(default=())


def material_of(data: Path, keyword: str) -> Material:
    """What `data` offers for a keyword that a shipped model may learn from."""
    rows = [row for row in once([*read_clips(data), *read_continuous(data)]) if may_ship(row)]
    return Material(
        positive=[row for row in rows if row.word_s and keyword.lower() in row.text],
        speech=[row for row in rows if not says(row, keyword)],
        noise=[row for row in read_noise(data) if row.split == "train"],
    )


def with_synthetic(
    material: Material, positive: Plan, negative: Plan, work_dir: Path, report: Report
) -> Material:
    """The material with synthetic clips, kept in `work_dir` once they are spoken."""
    words = kept_clips(work_dir / "clips-positive", positive, "synthetic words", report)
    other = kept_clips(work_dir / "clips-negative", negative, "synthetic speech", report)
    return replace(material, synthetic_positive=words, synthetic_negative=other)


def kept_clips(folder: Path, plan: Plan, stage: str, report: Report) -> list[Spoken]:
    """The clips of a plan, kept in parts: those that are in the folder are not spoken again."""
    tell = paced(stage, len(plan), report)
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Spoken] = []
    for first in range(0, len(plan), PART_CLIPS):
        numbers = range(first, min(first + PART_CLIPS, len(plan)))
        path = folder / f"{first:06d}.npz"
        if not path.exists():
            write_clips(path, list(in_order(plan.speak, numbers)))
            tell(numbers.stop)
        found += read_kept_clips(path)
    return found


def read_kept_clips(path: Path) -> list[Spoken]:
    """The clips in a file of `write_clips`."""
    index = np.load(path)
    parts = np.split(index["samples"].astype(np.float32) / 32_767, index["cuts"])
    texts, voices = index["texts"].tolist(), index["voices"].tolist()
    return [
        (as_recording(Clip(part, text, voice, (start, end) if end > 0 else None)), part)
        for part, text, voice, (start, end) in zip(
            parts, texts, voices, index["words"].tolist(), strict=True
        )
    ]


def write_clips(path: Path, clips: Sequence[Clip]) -> None:
    """Clips in one file: samples as int16, cuts between them, texts, voices, word places."""
    samples = [np.round(np.clip(clip.samples, -1, 1) * 32_767).astype(np.int16) for clip in clips]
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        samples=np.concatenate(samples),
        cuts=np.cumsum([len(part) for part in samples])[:-1],
        texts=[clip.text for clip in clips],
        voices=[clip.voice for clip in clips],
        words=[clip.word_s or (0.0, 0.0) for clip in clips],
    )
    partial.replace(path)


def as_recording(clip: Clip) -> Recording:
    """A synthetic clip as a recording without a file."""
    return Recording(
        SYNTHETIC, 0.0, None, "train", clip.voice, "synthetic", "", clip.text, word_s=clip.word_s
    )


def examples(
    trunk: Sequential,
    material: Material,
    augment: Augment,
    spectral: Spectral,
    work_dir: Path,
    seed: int,
    real_segments: int,
    spliced: Bank | None,
    report: Report,
) -> Examples:
    """Activations to train a head on: real and synthetic words, all other speech, noise."""
    rng = np.random.default_rng((seed, 1))
    features = spectral.features

    def bank(name: str, spoken: Iterable[Spoken], copy: int) -> Bank:
        def rows() -> Rows:
            return augmented(spoken, augment, seed + copy, features)

        return kept_bank(work_dir / f"{name}-{copy}", rows, 0, report)

    def noises() -> Rows:
        return plain(read_samples(material.noise), features)

    speech = bank("negative", read_samples(material.speech), 0)
    noise = kept_bank(work_dir / "noise-only", noises, 0, report)
    other = bank("synthetic-negative", material.synthetic_negative, 0)
    report(Progress("activations", 0, 3))
    negative = [
        streams(trunk, part, rng.permutation(len(part)), spectral, rng)
        for part in (speech, other, noise)
        if len(part)
    ]
    if not material.noise:
        negative.append(quiet(trunk, spectral, rng))
    filling = speech if len(speech) else None
    report(Progress("activations", 1, 3))
    groups, copies_of_real = [], copies_for(real_segments, len(material.positive))
    for share, name, spoken, copies in (
        (SYNTHETIC_SHARE, "synthetic-positive", material.synthetic_positive, 2),
        (REAL_SHARE, "positive", list(read_samples(material.positive)), copies_of_real),
    ):
        parts = [
            segments_round_words(trunk, bank(name, spoken, copy), spectral, filling, rng)
            for copy in range(copies if spoken else 0)
            for _ in range(2)
        ]
        if parts:
            groups.append((share, np.concatenate(parts)))
    if spliced is not None and len(spliced):
        parts = [segments_round_words(trunk, spliced, spectral, None, rng) for _ in range(3)]
        groups.append((SPLICED_SHARE, np.concatenate(parts)))
    report(Progress("activations", 3, 3))
    return Examples(groups, negative)


def copies_for(segments: int, recordings: int) -> int:
    """How many augmented copies make so many segments, two of each: few recordings, many copies."""
    return int(np.clip(segments // (2 * max(1, recordings)), 1, 60))
