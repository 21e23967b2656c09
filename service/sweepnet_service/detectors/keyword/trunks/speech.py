"""What a phone trunk learns from and is measured on: recordings with their text, and programs that
speak those texts in other voices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword import synthesis
from sweepnet_service.detectors.keyword.augment import Augment
from sweepnet_service.detectors.keyword.bank import Bank, augmented
from sweepnet_service.detectors.keyword.dataset import (
    SPLITS,
    Recording,
    Spoken,
    may_ship,
    read_continuous,
    read_noise,
    read_samples,
)
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.intake import read_dataset, speech_folder
from sweepnet_service.detectors.keyword.material import keep_clips, read_kept_clips
from sweepnet_service.detectors.keyword.paths import check_files, check_rooms
from sweepnet_service.detectors.keyword.phones import pronounce_all
from sweepnet_service.detectors.keyword.prepare import Rows, kept_bank, noise_frames
from sweepnet_service.detectors.keyword.rooms import rooms_for
from sweepnet_service.detectors.keyword.speaking import FLITE, engines
from sweepnet_service.detectors.keyword.trunk import Transcribed
from sweepnet_service.detectors.keyword.trunk_source import own_noise
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report


@dataclass(frozen=True)
class Speech:
    """Recordings with their text, by split; `shipped` is the folder of the shipped models' data,
    None for a data set of the user's own.
    """

    recordings: Sequence[Recording]
    noise: Sequence[Recording]
    shipped: Path | None = None

    def part(self, split: str) -> list[Recording]:
        """The recordings of a split; of the shipped data's train part what may be learnt from."""
        rows = [row for row in self.recordings if row.split == split]
        return [row for row in rows if may_ship(row)] if self.shipped and split == "train" else rows


def read_speech(data: Path) -> Speech:
    """The recordings of a data set that have a text. Raises InvalidInput where none is to learn."""
    shipped = speech_folder(data)
    if shipped is not None:
        rows, noise = read_continuous(shipped), read_noise(shipped)
    elif data.is_dir() and not (data / "manifest.csv").is_file():
        raise InvalidInput(
            "data",
            f"{data} holds no manifest.csv, so that nothing tells what is said; give a CSV "
            "manifest with the columns `file` and `text`",
        )
    else:
        own = read_dataset(data, untold=True)
        rows, noise = list(own.recordings), list(own.noise)
    speech = Speech([row for row in rows if row.text], noise, shipped)
    if not speech.part("train"):
        told = {split: len(speech.part(split)) for split in SPLITS}
        raise InvalidInput(
            "data",
            f"{data} holds no recording to train on whose text is known (with text: {told}); give "
            "a CSV manifest with the column `text`",
        )
    return speech


def check_speech(speech: Speech) -> None:
    """Raises InvalidInput for files that are not there, those to measure on included: that comes
    after hours of training.
    """
    check_files([*speech.recordings, *speech.noise])
    if speech.shipped is not None:
        check_rooms(speech.shipped)


def learnt_speech(
    speech: Speech,
    work_dir: Path,
    copies: int,
    synthesize: int,
    seed: int,
    features: LogMel,
    report: Report,
) -> Transcribed:
    """The train part and `synthesize` of its texts spoken by programs, in `copies` augmented copies
    kept in `work_dir`, with their phones.
    """
    rows = speech.part("train")
    spoken = spoken_texts([row.text for row in rows], synthesize, work_dir, seed, report)
    texts = [*(row.text for row in rows), *spoken.texts]
    phones = pronounce_all(texts, work_dir / "phones.json")
    augment = Augment(rooms_for(speech.shipped, seed))

    def bank(copy: int) -> Bank:
        def changed() -> Rows:
            every = chain(read_samples(rows), spoken)
            return augmented(every, augment, seed + copy, features)

        return kept_bank(work_dir / f"speech-{copy}", changed, len(texts), report)

    banks = tuple(map(bank, range(copies)))
    return Transcribed(banks, tuple(np.array(phones[text]) for text in texts))


@dataclass(frozen=True)
class SpokenTexts:
    """Synthetic clips kept in files, read part by part."""

    texts: Sequence[str]
    parts: Sequence[Path]

    def __iter__(self) -> Iterator[Spoken]:
        return chain.from_iterable(map(read_kept_clips, self.parts))


def spoken_texts(
    texts: Sequence[str], count: int, work_dir: Path, seed: int, report: Report
) -> SpokenTexts:
    """`count` of the texts, drawn, each in a voice of espeak-ng or flite."""
    if not count:
        return SpokenTexts((), ())
    rng = np.random.default_rng((seed, 6))
    drawn = [texts[int(index)] for index in rng.integers(0, len(texts), count)]
    programs = engines()

    def speak(number: int) -> synthesis.Clip:
        own = np.random.default_rng((seed, 6, number))
        by_flite = synthesis.engine(programs, number) == FLITE
        say = synthesis.flite_text if by_flite else synthesis.espeak_text
        return say(drawn[number].lower(), own)

    plan = synthesis.Plan(speak, count)
    return SpokenTexts(drawn, keep_clips(work_dir / "clips", plan, "synthetic speech", report))


def background_of(
    speech: Speech, work_dir: Path, seed: int, features: LogMel, report: Report
) -> Array:
    """Frames of noise and of other people to mix in, (F, bands)."""
    if speech.shipped is not None:
        return noise_frames(speech.shipped, work_dir, seed, features, report)
    noise = [row for row in speech.noise if row.split == "train"]
    return own_noise(noise, speech.part("train"), seed, features)
