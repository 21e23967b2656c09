"""The short figures of one label on one split, as a model's card keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sweepnet_service.detectors.keyword.dataset import (
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
from sweepnet_service.detectors.keyword.evaluate.heard import Decider, Heard, hear, hours
from sweepnet_service.detectors.keyword.intake import group, read_dataset, speech_folder
from sweepnet_service.errors import InvalidInput


@dataclass(frozen=True)
class Report:
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

    def lines(self) -> list[str]:
        """The figures to be read by people."""
        return [
            f'"{self.label}" at threshold {self.threshold:.3f}',
            f"missed: {self.missed} of {self.words} recordings ({100 * self.miss_rate:.0f} %)",
            f"false alarms: {self.false_alarms} in {self.speech_hours:.2f} h of speech "
            f"({self.false_alarms_per_hour:.1f} an hour), {self.noise_false_alarms} in "
            f"{60 * self.noise_hours:.0f} minutes of noise",
            *(f"  missed       {row}" for row in self.missed_recordings),
            *(f"  false alarm  {row}" for row in self.false_alarm_recordings),
            *(
                f"threshold {point.threshold:.4f}: {100 * point.miss_rate:.0f} % missed, "
                f"{point.false_alarms_per_hour:.1f} false alarms an hour"
                for point in self.points
            ),
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        rates = {
            "miss_rate": self.miss_rate,
            "false_alarms_per_hour": self.false_alarms_per_hour,
        }
        return asdict(self) | rates


@dataclass(frozen=True)
class Measured:
    """Recordings that say the word, speech that does not, and noise."""

    words: Sequence[Recording]
    speech: Sequence[Recording]
    noise: Sequence[Recording]


def measured_on(data: Path, keyword: str, split: str) -> Measured:
    """One split of `data`; the training voices without a clear licence count as validation."""
    rows = once(described([*read_clips(data), *read_continuous(data)]))
    parts = [row for row in rows if part_of(row) == split]
    return Measured(
        words=[row for row in parts if says(row, keyword) and row.word_s],
        speech=[row for row in parts if not says(row, keyword)],
        noise=[row for row in read_noise(data) if row.split == split],
    )


def measured_in(data: Path, keyword: str, split: str | None = None) -> tuple[Measured, str]:
    """(what a data set offers to measure on, of which part): the split asked for, else its test
    split, else, of one that has none, all of it ("").

    Raises InvalidInput where there is no data set, or nothing of that split in it.
    """
    dataset = read_dataset(data)
    if speech_folder(data) is not None:
        return measured_on(dataset.where, keyword, split or "test"), split or "test"
    test = dataset.part("test")
    if split is None and dataset.given and test.recordings:
        split = "test"
    part = dataset.part(split) if split else dataset
    if not part.recordings and not part.noise:
        raise InvalidInput("split", f"{data} holds no recording of the split {split!r}")
    words = [*part.placed(keyword), *part.weak(keyword)]
    kinds = (list(map(told_apart, rows)) for rows in (words, part.negative(keyword), part.noise))
    return Measured(*kinds), split or ""


def told_apart(recording: Recording) -> Recording:
    """The recording with a source of its own; recordings of one source stay one group."""
    place = f"{recording.path.parent.name}/{recording.path.name}:{recording.start_s:g}"
    return replace(recording, session=recording.session or group(recording), source=place)


def part_of(recording: Recording) -> str:
    """The split a recording is measured in; what no shipped model may learn from is validation."""
    if recording.split == "train" and not may_ship(recording):
        return "validation"
    return recording.split


def evaluate(
    detector: KeywordDetector, data: Path, split: str = "test", label: str | None = None
) -> Report:
    """The figures of a detector on a split of the data folder, at its shipped threshold."""
    label = label or detector.labels[0]
    return report_on(detector, label, measured_on(data, label, split))


def report_on(detector: KeywordDetector, label: str, recordings: Measured) -> Report:
    """The figures at the shipped threshold and at each operating point."""
    parts = (recordings.words, recordings.speech, recordings.noise)
    return report_of(detector, label, *(list(hear(detector, part, label)) for part in parts))


def report_of(
    detector: KeywordDetector,
    label: str,
    words: Sequence[Heard],
    speech: Sequence[Heard],
    noise: Sequence[Heard],
) -> Report:
    """The same of recordings that were heard."""
    decider = Decider(detector, label, detector.default_thresholds[label])
    missed = [h.recording for h in words if not decider.found(h)]
    alarmed = [h.recording for h in speech if decider.events(h)]
    points = []
    for point in detector.operating_points.get(label, ()):
        at = Decider(detector, label, point.threshold)
        lost = sum(not at.found(h) for h in words) / max(1, len(words))
        wrong = at.alarms(speech) / max(1e-9, hours(speech))
        points.append(OperatingPoint(point.threshold, wrong, lost))
    return Report(
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
