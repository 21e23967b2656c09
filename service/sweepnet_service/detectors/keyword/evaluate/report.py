"""The short figures of one label on one split, as a model's card keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sweepnet_service.detectors.keyword.dataset import (
    NEGATIVE,
    Recording,
    may_ship,
    once,
    read_clips,
    read_continuous,
    read_noise,
    says,
)
from sweepnet_service.detectors.keyword.detector import KeywordDetector, OperatingPoint
from sweepnet_service.detectors.keyword.evaluate.groups import described
from sweepnet_service.detectors.keyword.evaluate.heard import Decider, Heard, hours
from sweepnet_service.detectors.keyword.intake import Dataset, group, speech_folder
from sweepnet_service.errors import InvalidInput

TEST, ALL = "test", "all"


@dataclass(frozen=True)
class CardFigures:
    """The figures of one label on one set of recordings."""

    label: str
    threshold: float
    words: int
    missed: int
    voices: int
    speech_hours: float
    false_alarms: int
    noise_hours: float
    noise_false_alarms: int
    points: tuple[OperatingPoint, ...] = ()
    missed_recordings: tuple[str, ...] = field(default=())
    false_alarm_recordings: tuple[str, ...] = field(default=())

    @property
    def miss_rate(self) -> float:
        return self.missed / max(1, self.words)

    @property
    def false_alarms_per_hour(self) -> float:
        return self.false_alarms / max(1e-9, self.speech_hours)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        rates = {
            "miss_rate": self.miss_rate,
            "false_alarms_per_hour": self.false_alarms_per_hour,
        }
        return asdict(self) | rates


@dataclass(frozen=True)
class Measured:
    """Recordings that say the word, speech that does not, and noise.

    `known_words` of the words are by voices of other splits too; `known_speech` recordings of other
    speech by such voices are not in `speech`.
    """

    words: Sequence[Recording]
    speech: Sequence[Recording]
    noise: Sequence[Recording]
    known_words: int = 0
    known_speech: int = 0


def measured_on(data: Path, keyword: str, split: str) -> Measured:
    """One split of `data`, or all; the training voices without a clear licence count as
    validation.
    """
    rows = once(described([*read_clips(data), *read_continuous(data)]))
    parts = [row for row in rows if split in (ALL, part_of(row))]
    return Measured(
        words=[row for row in parts if says(row, keyword) and row.word_s],
        speech=[row for row in parts if not says(row, keyword)],
        noise=[row for row in read_noise(data) if split in (ALL, row.split)],
    )


def measured_in(dataset: Dataset, keyword: str, split: str | None = None) -> tuple[Measured, str]:
    """(what a data set offers to measure on, of which split): that asked for, by default as
    `default_split` says. False alarms count on voices that no other split holds.

    Raises InvalidInput where there is nothing of that split in it.
    """
    if speech_folder(dataset.where) is not None:
        return measured_on(dataset.where, keyword, split or TEST), split or TEST
    split = split or default_split(dataset)
    part = dataset if split == ALL else dataset.part(split)
    if not part.recordings and not part.noise:
        raise InvalidInput("split", f"{dataset.where} holds no recording of the split {split!r}")
    words, other = [*part.placed(keyword), *part.weak(keyword)], part.negative(keyword)
    known = voices_beside(dataset, part)
    speech = [row for row in other if group(row) not in known]
    measured = Measured(
        words=list(map(told_apart, words)),
        speech=list(map(told_apart, speech)),
        noise=list(map(told_apart, part.noise)),
        known_words=sum(group(row) in known for row in words),
        known_speech=len(other) - len(speech),
    )
    return measured, split


def voices_beside(dataset: Dataset, part: Dataset) -> set[str]:
    """The voices and sources of the recordings that a part of a data set leaves out."""
    kept = set(part.recordings)
    return {
        row.speaker or row.source
        for row in dataset.recordings
        if row not in kept and (row.speaker or row.source)
    }


def default_split(dataset: Dataset) -> str:
    """Test, which no training learns from: the data set's own, or, where splits are drawn, that
    with words in it; all where there is none.
    """
    test = dataset.part(TEST).recordings
    usable = test if dataset.given else [row for row in test if row.label != NEGATIVE]
    return TEST if usable else ALL


def told_apart(recording: Recording) -> Recording:
    """The recording with a source of its own; recordings of one source stay one group."""
    place = f"{recording.path.parent.name}/{recording.path.name}:{recording.start_s:g}"
    return replace(recording, session=recording.session or group(recording), source=place)


def part_of(recording: Recording) -> str:
    """The split a recording is measured in; what no shipped model may learn from is validation."""
    if recording.split == "train" and not may_ship(recording):
        return "validation"
    return recording.split


def report_of(
    detector: KeywordDetector,
    label: str,
    words: Sequence[Heard],
    speech: Sequence[Heard],
    noise: Sequence[Heard],
) -> CardFigures:
    """The figures of what was heard, at the shipped threshold and at each operating point."""
    decider = Decider(detector, label, detector.default_thresholds[label])
    missed = [h.recording for h in words if not decider.found(h)]
    alarmed = [h.recording for h in speech if decider.events(h)]
    points = []
    for point in detector.operating_points.get(label, ()):
        at = Decider(detector, label, point.threshold)
        lost = sum(not at.found(h) for h in words) / max(1, len(words))
        wrong = at.alarms(speech) / max(1e-9, hours(speech))
        points.append(OperatingPoint(point.threshold, wrong, lost))
    return CardFigures(
        label=label,
        threshold=detector.default_thresholds[label],
        words=len(words),
        missed=len(missed),
        voices=len({h.recording.speaker.replace("so762_", "so") for h in words}),
        speech_hours=hours(speech),
        false_alarms=decider.alarms(speech),
        noise_hours=hours(noise),
        noise_false_alarms=decider.alarms(noise),
        points=tuple(points),
        missed_recordings=tuple(f"{row.speaker}: {row.text}" for row in missed),
        false_alarm_recordings=tuple(f"{row.speaker}: {row.text}" for row in alarmed),
    )
