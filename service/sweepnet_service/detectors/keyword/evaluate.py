"""How good a keyword detector is: recordings -> misses and false alarms, by the deployed code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.dataset import (
    RATE_HZ,
    Recording,
    may_ship,
    once,
    read_clips,
    read_continuous,
    read_noise,
    read_samples,
    relative_word,
    says,
)
from sweepnet_service.detectors.keyword.detector import KeywordDetector, OperatingPoint
from sweepnet_service.detectors.keyword.session import KeywordEvent, SpotOptions, SpotSession

BLOCK = 160_000
TOLERANCE_S = 0.3


@dataclass(frozen=True)
class Heard:
    """The scores of every window of one recording, (windows,)."""

    recording: Recording
    seconds: float
    scores: Array


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
            "noise_false_alarms_per_hour": self.noise_false_alarms / max(1e-9, self.noise_hours),
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
    rows = once([*read_clips(data), *read_continuous(data)])
    parts = [row for row in rows if part_of(row) == split]
    return Measured(
        words=[row for row in parts if says(row, keyword) and row.word_s],
        speech=[row for row in parts if not says(row, keyword)],
        noise=[row for row in read_noise(data) if row.split == split],
    )


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
    words = list(hear(detector, recordings.words, label))
    speech = list(hear(detector, recordings.speech, label))
    noise = list(hear(detector, recordings.noise, label))
    threshold = detector.default_thresholds[label]
    missed = [h.recording for h in words if not found(detector, label, h, threshold)]
    alarmed = [h for h in speech if alarms(detector, label, [h], threshold)]
    points = []
    for point in detector.operating_points.get(label, ()):
        wrong = alarms(detector, label, speech, point.threshold) / max(1e-9, hours(speech))
        lost = sum(not found(detector, label, h, point.threshold) for h in words)
        points.append(OperatingPoint(point.threshold, wrong, lost / max(1, len(words))))
    return Report(
        label=label,
        threshold=threshold,
        words=len(words),
        missed=len(missed),
        voices=len({row.speaker.replace("so762_", "so") for row in recordings.words}),
        speech_hours=hours(speech),
        false_alarms=alarms(detector, label, speech, threshold),
        noise_hours=hours(noise),
        noise_false_alarms=alarms(detector, label, noise, threshold),
        points=tuple(points),
        missed_recordings=tuple(f"{row.speaker}: {row.text}" for row in missed),
        false_alarm_recordings=tuple(f"{h.recording.speaker}: {h.recording.text}" for h in alarmed),
    )


def hear(detector: KeywordDetector, recordings: Iterable[Recording], label: str) -> Iterable[Heard]:
    """The scores of each recording, streamed as a stream of its own."""
    return hear_samples(detector, read_samples(recordings), label)


def hear_samples(
    detector: KeywordDetector, spoken: Iterable[tuple[Recording, Array]], label: str
) -> Iterator[Heard]:
    """The same for samples (n,) at 16 kHz that are at hand."""
    place = detector.labels.index(label)
    for recording, samples in spoken:
        session = SpotSession(detector, RATE_HZ)
        blocks = [session.push(samples[at : at + BLOCK]) for at in range(0, len(samples), BLOCK)]
        updates = [*blocks, session.finish()]
        scores = [window.scores[place] for update in updates for window in update.windows]
        yield Heard(recording, len(samples) / RATE_HZ, np.array(scores, np.float32))


def events(
    detector: KeywordDetector, label: str, heard: Heard, threshold: float
) -> list[KeywordEvent]:
    """The events that a stream of these scores would have brought."""
    options = SpotOptions(thresholds={label: threshold})
    session = SpotSession(detector, RATE_HZ, options)
    return session.replay(label, heard.scores, round(heard.seconds * RATE_HZ))


def alarms(detector: KeywordDetector, label: str, heard: Iterable[Heard], threshold: float) -> int:
    """How many events recordings without the word bring."""
    return sum(
        len(events(detector, label, each, threshold))
        for each in heard
        if np.max(each.scores, initial=0) >= threshold
    )


def found(detector: KeywordDetector, label: str, heard: Heard, threshold: float) -> bool:
    """Whether an event lies on the word, give or take 0.3 s."""
    word = relative_word(heard.recording) or (0.0, heard.seconds)
    first, past = (word[0] - TOLERANCE_S) * RATE_HZ, (word[1] + TOLERANCE_S) * RATE_HZ
    return any(
        event.start < past and event.end > first
        for event in events(detector, label, heard, threshold)
    )


def hours(heard: Iterable[Heard]) -> float:
    return sum(each.seconds for each in heard) / 3600
