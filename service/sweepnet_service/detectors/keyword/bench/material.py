"""What engines are compared on: clips that say the words, speech that does not, noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from cnn_core.arrays import Array
from cnn_core.fit.digest import digest
from sweepnet_service.detectors.keyword.bench.hearing import Part, Read
from sweepnet_service.detectors.keyword.conditions import CLEAN, POWERS, in_condition, test_noise
from sweepnet_service.detectors.keyword.dataset import (
    POSITIVE,
    Recording,
    Spoken,
    read_continuous,
    read_samples,
    says,
)
from sweepnet_service.detectors.keyword.intake import (
    Dataset,
    check_tells_words,
    read_dataset,
    speech_folder,
)
from sweepnet_service.detectors.keyword.paths import check_files
from sweepnet_service.errors import InvalidInput

ALL = "all"
NOISE_SEED = 0


@dataclass(frozen=True)
class Material:
    """Recordings by word; the same noise for every engine, (n,) each at 16 kHz."""

    clips: Mapping[str, Sequence[Recording]]
    speech: Sequence[Recording]
    noise: Sequence[Array]
    snr_db: float

    @property
    def conditions(self) -> dict[str, Read]:
        """How clips are read: as they are, and where there is noise at 10 dB or what was asked for.

        The names are those of `in_condition`.
        """
        noisy = [f"{self.snr_db:g} {unit}" for unit in POWERS if self.noise]
        return {name: partial(self._read, name) for name in (CLEAN, *noisy)}

    def clip_parts(self, words: Sequence[str]) -> dict[str, Part]:
        """The clips of these words, by condition."""
        rows = [row for word in words for row in self.clips[word]]
        return {
            name: Part(name, rows, read, "" if name == CLEAN else self.noise_digest)
            for name, read in self.conditions.items()
        }

    @cached_property
    def noise_digest(self) -> str:
        """Tells one noise from another."""
        return digest(list(self.noise))

    def speech_part(self, words: Sequence[str]) -> Part:
        """The speech that lacks one of these words at least."""
        rows = [row for row in self.speech if not all(says(row, word) for word in words)]
        return Part("speech", rows, read_samples)

    def _read(self, name: str, rows: Sequence[Recording]) -> Iterator[Spoken]:
        return in_condition(read_samples(rows), name, self.noise, NOISE_SEED)


def material(
    path: Path, words: Sequence[str], split: str, speech_split: str, every: int, snr_db: float
) -> Material:
    """The material of a data set (see `read_dataset`).

    The splits ("all": every one) choose clips and speech; of the speech each `every`-th recording
    is taken. Of the folder of the shipped models' data the speech is continuous/.
    Raises InvalidInput where the data holds no clip of a word, or no speech without one.
    """
    if every < 1:
        raise InvalidInput("speech_every", f"got {every}; expected 1 (all) or more")
    if not math.isfinite(snr_db):
        raise InvalidInput("snr_db", f"got {snr_db}; expected a number of decibels, such as 10")
    data = read_dataset(path)
    check_tells_words(data, words)
    shipped = speech_folder(path)
    spoken = read_continuous(shipped) if shipped else data.recordings
    clips = {word: chosen(clips_of(data, word), split) for word in words}
    speech = chosen(spoken, speech_split)[::every]
    for word in words:
        if not clips[word]:
            raise InvalidInput(
                "data", f'{path} has no recording of "{word}" in split {split!r}; see --split'
            )
        if all(says(row, word) for row in speech):
            raise InvalidInput(
                "data",
                f'{path} has no speech without "{word}" in split {speech_split!r}; false alarms '
                "are counted there",
            )
    check_files([*(row for each in clips.values() for row in each), *speech, *data.noise])
    return Material(clips, speech, noise_of(data, shipped), snr_db)


def clips_of(data: Dataset, word: str) -> list[Recording]:
    """The recordings labelled with the word."""
    return [row for row in data.recordings if row.label in (POSITIVE, word.lower())]


def chosen(rows: Sequence[Recording], split: str) -> list[Recording]:
    return [row for row in rows if split in (ALL, row.split)]


def noise_of(data: Dataset, shipped: Path | None) -> list[Array]:
    """The test noise of the shipped models' data, or all noise of a user's, as samples."""
    if shipped:
        return test_noise(shipped)
    return [samples for _, samples in read_samples(data.noise)]
