"""What a head learns from: recordings and synthetic speech -> activations of the trunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array
from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword.activations import (
    SEGMENT_STEPS,
    SHORT_PAUSE,
    quiet,
    segments_round_words,
    streams,
    through_trunk,
)
from sweepnet_service.detectors.keyword.augment import Augment
from sweepnet_service.detectors.keyword.bank import Bank, augmented, plain
from sweepnet_service.detectors.keyword.dataset import (
    Recording,
    Spoken,
    may_ship,
    once,
    placed,
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
MINED_COPIES, SYNTHETIC_COPIES = 3, 2
PART_CLIPS = 100
"""Clips in one kept part: what an interruption may cost."""
SYNTHETIC_SHARE, REAL_SHARE, SPLICED_SHARE = 0.45, 0.25, 0.3


@dataclass(frozen=True)
class Material:
    """Recordings by role: `positive` with `word_s`, `weak` with the word somewhere, `speech` and
    `noise` without it.
    """

    positive: Sequence[Recording] = ()
    weak: Sequence[Recording] = ()
    speech: Sequence[Recording] = ()
    noise: Sequence[Recording] = ()
    synthetic_positive: Sequence[Spoken] = field(default=())
    synthetic_negative: Sequence[Spoken] = field(default=())


def material_of(data: Path, keyword: str) -> Material:
    """What `data` offers for a keyword that a shipped model may learn from."""
    rows = [row for row in once([*read_clips(data), *read_continuous(data)]) if may_ship(row)]
    return Material(
        positive=[row for row in rows if placed(row, keyword)],
        speech=[row for row in rows if not says(row, keyword)],
        noise=[row for row in read_noise(data) if row.split == "train"],
    )


def with_synthetic(
    material: Material,
    positive: tuple[Plan, Plan],
    negative: Plan,
    work_dir: Path,
    report: Report,
) -> Material:
    """The material with synthetic clips, kept in `work_dir` once they are spoken; `positive` are
    the word as the programs say it, and in other accents.
    """
    words, accents = positive
    said = kept_clips(work_dir / "clips-positive", words, "synthetic words", report)
    said += kept_clips(work_dir / "clips-foreign", accents, "synthetic accents", report)
    other = kept_clips(work_dir / "clips-negative", negative, "synthetic speech", report)
    return replace(material, synthetic_positive=said, synthetic_negative=other)


def kept_clips(folder: Path, plan: Plan, stage: str, report: Report) -> list[Spoken]:
    """The clips of a plan, kept in parts: those that are in the folder are not spoken again."""
    return [
        clip for part in keep_clips(folder, plan, stage, report) for clip in read_kept_clips(part)
    ]


def keep_clips(folder: Path, plan: Plan, stage: str, report: Report) -> list[Path]:
    """The files that keep a plan's clips, in order; spoken where they are not there yet."""
    tell = paced(stage, len(plan), report)
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for first in range(0, len(plan), PART_CLIPS):
        numbers = range(first, min(first + PART_CLIPS, len(plan)))
        path = folder / f"{first:06d}.npz"
        if not path.exists():
            write_clips(path, list(in_order(plan.speak, numbers)))
            tell(numbers.stop)
        found.append(path)
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


@dataclass(frozen=True)
class Maker:
    """Makes activations of recordings: augmented features kept in `work_dir`, through the trunk."""

    trunk: Sequential
    spectral: Spectral
    augment: Augment
    work_dir: Path
    seed: int
    report: Report

    def bank(self, name: str, spoken: Iterable[Spoken], copy: int, total: int) -> Bank:
        """An augmented copy of recordings as features."""

        def rows() -> Rows:
            return augmented(spoken, self.augment, self.seed + copy, self.spectral.features)

        return kept_bank(self.work_dir / f"{name}-{copy}", rows, total, self.report)

    def plain(self, name: str, recordings: Sequence[Recording]) -> Bank:
        """Features of recordings as they are."""

        def rows() -> Rows:
            return plain(read_samples(recordings), self.spectral.features)

        return kept_bank(self.work_dir / name, rows, len(recordings), self.report)

    def stream(self, bank: Bank, rng: np.random.Generator) -> Array:
        """The recordings of a bank in any order, (rows, steps, channels)."""
        return streams(self.trunk, bank, rng.permutation(len(bank)), self.spectral, rng)

    def bags(self, bank: Bank, rng: np.random.Generator) -> list[Array]:
        """Each recording of a bank by itself, (steps, channels), none shorter than a segment."""
        return [
            through_trunk(self.trunk, [self.padded(bank[index])], self.spectral, rng)[0]
            for index in range(len(bank))
        ]

    def padded(self, frames: Array) -> Array:
        """Frames with silence before and after, so that a word at an edge is inside a window."""
        least = (SEGMENT_STEPS - 1) * int(self.trunk.windows[0].step)
        missing = max(0, least + int(self.trunk.windows[0].size) - len(frames))
        before = SHORT_PAUSE + missing // 2
        after = SHORT_PAUSE + missing - missing // 2
        silence = self.spectral.features.silence
        return np.pad(frames, ((before, after), (0, 0)), constant_values=silence)


def examples(
    maker: Maker, material: Material, real_segments: int, spliced: Bank | None
) -> Examples:
    """Activations to train a head on: real and synthetic words, all other speech, noise."""
    rng = np.random.default_rng((maker.seed, 1))
    speech = maker.bank("negative", read_samples(material.speech), 0, len(material.speech))
    noise = maker.plain("noise-only", material.noise)
    synthetic = material.synthetic_negative
    other = maker.bank("synthetic-negative", synthetic, 0, len(synthetic))
    maker.report(Progress("activations", 0, 3))
    negative = [maker.stream(part, rng) for part in (speech, other, noise) if len(part)]
    if not material.noise:
        negative.append(quiet(maker.trunk, maker.spectral, rng))
    maker.report(Progress("activations", 1, 3))
    filling = speech if len(speech) else None
    groups = positive_groups(maker, material, real_segments, filling, rng)
    if spliced is not None and len(spliced):
        parts = [
            segments_round_words(maker.trunk, spliced, maker.spectral, None, rng) for _ in range(3)
        ]
        groups.append((SPLICED_SHARE, np.concatenate(parts)))
    maker.report(Progress("activations", 2, 3))
    weak = [
        bag
        for copy in range(copies_for(real_segments, len(material.weak)) if material.weak else 0)
        for bag in maker.bags(
            maker.bank("weak", read_samples(material.weak), copy, len(material.weak)), rng
        )
    ]
    maker.report(Progress("activations", 3, 3))
    return Examples(groups, negative, weak)


def positive_groups(
    maker: Maker,
    material: Material,
    real_segments: int,
    filling: Bank | None,
    rng: np.random.Generator,
) -> list[tuple[float, Array]]:
    """Segments with the word in the middle, by kind, each kind with its share of a batch."""
    groups = []
    copies_of_real = copies_for(real_segments, len(material.positive))
    for share, name, spoken, copies in (
        (SYNTHETIC_SHARE, "synthetic-positive", material.synthetic_positive, SYNTHETIC_COPIES),
        (REAL_SHARE, "positive", list(read_samples(material.positive)), copies_of_real),
    ):
        banks = [maker.bank(name, spoken, copy, len(spoken)) for copy in range(copies)]
        parts = [
            segments_round_words(maker.trunk, bank, maker.spectral, filling, rng)
            for bank in (banks if spoken else [])
            for _ in range(2)
        ]
        if parts:
            groups.append((share, np.concatenate(parts)))
    return groups


def with_mined(known: Examples, maker: Maker, mined: Sequence[Recording]) -> Examples:
    """The examples with pieces that the model took for the word among the negatives."""
    rng = np.random.default_rng((maker.seed, 5))
    banks = [
        maker.bank("mined", read_samples(mined), copy, len(mined)) for copy in range(MINED_COPIES)
    ]
    return replace(known, negative=[*known.negative, *(maker.stream(bank, rng) for bank in banks)])


def copies_for(segments: int, recordings: int) -> int:
    """How many augmented copies make so many segments, two of each: few recordings, many copies."""
    return int(np.clip(segments // (2 * max(1, recordings)), 1, 60))
