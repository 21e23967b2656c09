"""What a detector makes of recordings: scores by the deployed stream, events by its decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cnn_core.arrays import Array, Flags, Integers
from cnn_core.decide import Peak
from sweepnet_service.detectors.keyword.dataset import (
    RATE_HZ,
    Recording,
    Spoken,
    read_samples,
    relative_word,
)
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.parallel import in_order
from sweepnet_service.detectors.keyword.session import SpotOptions, SpotSession, decider
from sweepnet_service.detectors.keyword.updates import KeywordEvent

BLOCK = 160_000
TOLERANCE_S = 0.3


@dataclass(frozen=True)
class Heard:
    """The scores of every window of one recording, (windows,)."""

    recording: Recording
    seconds: float
    scores: Array


class Decider:
    """The deployed decision about one label at one threshold, for the scores of any recordings."""

    def __init__(self, detector: KeywordDetector, label: str, threshold: float) -> None:
        self._detector, self._label, self._threshold = detector, label, threshold
        self._rule = decider(detector, label, threshold)

    def events(self, heard: Heard) -> list[KeywordEvent]:
        """The events that a stream of these scores would have brought."""
        if not self._peaks(heard):
            return []
        options = SpotOptions(thresholds={self._label: self._threshold})
        session = SpotSession(self._detector, RATE_HZ, options)
        return session.replay(self._label, heard.scores, round(heard.seconds * RATE_HZ))

    def alarms(self, heard: Iterable[Heard]) -> int:
        """How many events recordings without the word bring."""
        return sum(len(self._peaks(each)) for each in heard)

    def found(self, heard: Heard) -> bool:
        """Whether an event lies on the word, give or take 0.3 s."""
        return self.told_at(heard) is not None

    def told_at(self, heard: Heard) -> int | None:
        """The window with which the first event on the word is told; None where there is none."""
        told = (peak for peak in self._peaks(heard) if self._on_word(peak.peak, heard))
        return next((peak.last + 1 for peak in told), None)

    def _on_word(self, window: int, heard: Heard) -> bool:
        return bool(on_word(self._detector, self._label, np.array([window]), heard)[0])

    def _peaks(self, heard: Heard) -> list[Peak]:
        """The events as the decision gives them, in windows."""
        if np.max(heard.scores, initial=0) < self._threshold:
            return []
        return self._rule.peaks(heard.scores)


def on_word(detector: KeywordDetector, label: str, windows: Integers, heard: Heard) -> Flags:
    """Whether the event at each window would lie on the word or within 0.3 s of it, (windows,);
    on a recording whose word has no place, anywhere.
    """
    word = relative_word(heard.recording) or (0.0, heard.seconds)
    place = detector.placements[label]
    begin = windows * detector.hop_s - detector.padding_samples / detector.rate_hz
    start = np.clip(begin + place.start_s, 0, heard.seconds)
    end = np.clip(begin + place.end_s, 0, heard.seconds)
    near: Flags = (start < word[1] + TOLERANCE_S) & (end > word[0] - TOLERANCE_S)
    return near


def word_score(detector: KeywordDetector, label: str, heard: Heard) -> float:
    """The highest score whose event would lie on the word; 0 where no window would."""
    near = on_word(detector, label, np.arange(len(heard.scores)), heard)
    return float(np.max(heard.scores, initial=0, where=near))


def hear(detector: KeywordDetector, recordings: Iterable[Recording], label: str) -> Iterator[Heard]:
    """The scores of each recording, streamed as a stream of its own."""
    return hear_samples(detector, read_samples(recordings), label)


def hear_samples(
    detector: KeywordDetector, spoken: Iterable[Spoken], label: str
) -> Iterator[Heard]:
    """The same for samples (n,) at 16 kHz that are at hand."""
    return (heard[label] for heard in hear_labels(detector, spoken, (label,)))


def hear_labels(
    detector: KeywordDetector, spoken: Iterable[Spoken], labels: Sequence[str]
) -> Iterator[dict[str, Heard]]:
    """The scores of several labels for each recording, heard once, on all cores."""
    places = {label: detector.labels.index(label) for label in labels}

    def hear_one(each: Spoken) -> dict[str, Heard]:
        recording, samples = each
        scores, seconds = streamed(detector, samples), len(samples) / RATE_HZ
        return {label: Heard(recording, seconds, scores[:, at]) for label, at in places.items()}

    return in_order(hear_one, spoken)


def streamed(detector: KeywordDetector, samples: Array) -> Array:
    """The scores of every window of samples (n,), as a stream of its own, (windows, labels)."""
    session = SpotSession(detector, detector.rate_hz)
    blocks = [session.push(samples[at : at + BLOCK]) for at in range(0, len(samples), BLOCK)]
    updates = [*blocks, session.finish()]
    scores = [window.scores for update in updates for window in update.windows]
    return np.array(scores, np.float32).reshape(-1, len(detector.labels))


def events(
    detector: KeywordDetector, label: str, heard: Heard, threshold: float
) -> list[KeywordEvent]:
    """The events that a stream of these scores would have brought."""
    return Decider(detector, label, threshold).events(heard)


def alarms(detector: KeywordDetector, label: str, heard: Iterable[Heard], threshold: float) -> int:
    """How many events recordings without the word bring."""
    return Decider(detector, label, threshold).alarms(heard)


def found(detector: KeywordDetector, label: str, heard: Heard, threshold: float) -> bool:
    """Whether an event lies on the word, give or take 0.3 s."""
    return Decider(detector, label, threshold).found(heard)


def hours(heard: Iterable[Heard]) -> float:
    return sum(each.seconds for each in heard) / 3600


def peaks(scores: Array, apart: int) -> list[int]:
    """Where scores are the highest within `apart` windows, the highest first."""
    near = np.zeros(len(scores), bool)
    kept = []
    for index in np.argsort(-scores, kind="stable").tolist():
        if not near[index]:
            kept.append(index)
            near[max(0, index - apart) : index + apart + 1] = True
    return kept
