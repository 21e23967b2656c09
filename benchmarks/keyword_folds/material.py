"""What the five fold detectors learn from, and what each is measured on.

A detector of fold k never hears a speaker of fold k: neither its trunk nor its heads, neither as
speech nor as babble that is mixed in. Recordings of the words come from their train part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword import synthesis
from sweepnet_service.detectors.keyword.augment import LEVEL_DB, Augment, set_level
from sweepnet_service.detectors.keyword.bank import Bank, augmented, plain
from sweepnet_service.detectors.keyword.dataset import (
    Recording,
    Spoken,
    read_clips,
    read_continuous,
    read_noise,
    read_rooms,
    read_samples,
)
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.folds import UNNAMED, speaker_folds, voice
from sweepnet_service.detectors.keyword.material import kept_clips
from sweepnet_service.detectors.keyword.phones import pronounce_all
from sweepnet_service.detectors.keyword.prepare import UNKNOWN, Rows, coloured, kept_bank
from sweepnet_service.detectors.keyword.trunk import Transcribed
from sweepnet_service.errors import FailedPrecondition
from sweepnet_service.progress import Report

WAKE_WORDS = ("alexa", "computer", "jarvis", "snowboy")
COMMANDS = ("happy", "bed", "cat")
WORDS = (*WAKE_WORDS, *COMMANDS)
OTHER_COLLECTION = "MycroftAI/Precise-Community-Data"
"""Where 40 recordings of "computer" come from that are not of the wake words' collection."""
OTHER_WORDS = ("confuser_gsc", "confuser_fsdd", "confuser_phrases")
COPIES = 4
SYNTHETIC, SYNTHETIC_COPIES = 500, 2
READERS_IN_NOISE = 200


@dataclass(frozen=True)
class Material:
    """The recordings of `data`/speech by their use, and features of them kept in `work`."""

    data: Path
    work: Path
    report: Report

    @cached_property
    def features(self) -> LogMel:
        return LogMel()

    @cached_property
    def augment(self) -> Augment:
        # Speed, rooms, telephone: the recordings have been through a codec already.
        rooms = read_rooms(self.data)
        return Augment(rooms, tempo_share=0.0, clipping_share=0.0, codec_share=0.0)

    @cached_property
    def continuous(self) -> list[Recording]:
        return read_continuous(self.data)

    @cached_property
    def clips(self) -> list[Recording]:
        return read_clips(self.data)

    @cached_property
    def fold_of(self) -> Mapping[str, int]:
        return speaker_folds(self.continuous)

    def heard(self, recordings: Sequence[Recording], fold: int) -> list[int]:
        """The places of those that the detector of a fold may learn from."""
        return [n for n, row in enumerate(recordings) if self.fold_of.get(voice(row)) != fold]

    def held_out(self, fold: int) -> list[Recording]:
        """The speech that the detector of a fold is measured on."""
        return [row for row in self.continuous if self.fold_of[voice(row)] == fold]

    @cached_property
    def transcribed(self) -> list[Recording]:
        """Speech with its text: sentences, and single words that are none of the measured ones."""
        sentences = [row for row in self.continuous if row.text and row.corpus not in UNNAMED]
        return sentences + [row for row in self.train_clips if row.corpus in OTHER_WORDS]

    @cached_property
    def untranscribed(self) -> list[Recording]:
        return [row for row in self.continuous if row.corpus in UNNAMED]

    @cached_property
    def train_clips(self) -> list[Recording]:
        """Clips of single words, the measured ones too."""
        return [
            row
            for row in self.clips
            if row.split == "train"
            and not row.source.startswith(OTHER_COLLECTION)
            and (row.corpus in OTHER_WORDS or row.text in WORDS)
        ]

    def spoken(self, word: str) -> list[Spoken]:
        """The word alone and in sentences by espeak-ng and flite, kept once they have spoken."""
        rng = np.random.default_rng((WORDS.index(word), 5))
        clips = synthesis.positives(word, SYNTHETIC, rng)
        return kept_clips(
            self.work / f"spoken-{word}-clips", clips, f"speaking {word}", self.report
        )

    @cached_property
    def spoken_others(self) -> list[Spoken]:
        """Words that are not measured, and sentences, in the same voices."""
        rng = np.random.default_rng((len(WORDS), 5))
        words = sorted({row.text for row in self.train_clips if row.corpus in OTHER_WORDS})
        clips = synthesis.negatives(words, SYNTHETIC, rng)
        return kept_clips(self.work / "spoken-others-clips", clips, "speaking words", self.report)

    @cached_property
    def noise(self) -> list[Recording]:
        return [row for row in read_noise(self.data) if row.split == "train"]

    def bank(self, name: str, rows: Callable[[], Rows], total: int = 0) -> Bank:
        return kept_bank(self.work / name, rows, total, self.report)

    def whole(self, name: str, rows: Callable[[], Rows], total: int) -> Bank:
        """A bank of so many recordings. Raises FailedPrecondition for one that was kept of others,
        whose places would be those of other texts.
        """
        bank = self.bank(name, rows, total)
        if len(bank) != total:
            raise FailedPrecondition(
                str(self.work / name),
                f"holds {len(bank)} recordings, there are {total} now; remove the folder",
            )
        return bank

    def changed(self, name: str, recordings: Sequence[Recording], seed: int) -> Bank:
        """Features of recordings as `Augment` changes them."""

        def rows() -> Rows:
            return augmented(read_samples(recordings), self.augment, seed, self.features)

        return self.whole(name, rows, len(recordings))

    def changed_speech(self, name: str, spoken: Sequence[Spoken], seed: int) -> Bank:
        """The same for speech that is at hand."""

        def rows() -> Rows:
            return augmented(spoken, self.augment, seed, self.features)

        return self.whole(name, rows, len(spoken))

    def unchanged(self, name: str, recordings: Sequence[Recording]) -> Bank:
        """Features of recordings as they are."""
        return self.whole(
            name, lambda: plain(read_samples(recordings), self.features), len(recordings)
        )

    @cached_property
    def speech(self) -> tuple[Bank, ...]:
        """The transcribed speech in differently changed copies."""
        copies = range(COPIES)
        return tuple(self.changed(f"speech-{n}", self.transcribed, 1 + n) for n in copies)

    def to_learn_phones(self, fold: int) -> Transcribed:
        """What the trunk of a fold learns from."""
        texts = [row.text for row in self.transcribed]
        phones = pronounce_all(texts, self.work / "phones.json")
        return Transcribed(
            self.speech,
            tuple(np.array(phones[text]) for text in texts),
            tuple(map(voice, self.transcribed)),
            np.array(self.heard(self.transcribed, fold)),
        )

    def background(self, fold: int) -> Array:
        """Frames to mix in: recorded and coloured noise, and people of the other folds."""
        rng = np.random.default_rng(100 + fold)
        others = [self.continuous[n] for n in self.heard(self.continuous, fold)]
        readers = [others[n] for n in sorted(rng.permutation(len(others))[:READERS_IN_NOISE])]

        def rows() -> Rows:
            yield from plain(read_samples(self.noise), self.features, LEVEL_DB)
            for exponent in (0.0, 1.0, 2.0):
                noise = coloured(rng, 60 * self.features.rate_hz, exponent)
                yield self.features.frames(set_level(noise, LEVEL_DB)), UNKNOWN
            yield from plain(read_samples(readers), self.features, LEVEL_DB)

        return self.bank(f"noise-{fold}", rows).frames


def of_other_collection(clips: Iterable[Recording]) -> list[Recording]:
    """The recordings of "computer" that nothing here learns from."""
    return [row for row in clips if row.source.startswith(OTHER_COLLECTION) and row.text]
