"""Detectors measured on recordings of the word in several conditions, on other speech, on noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.conditions import SHORTEST_NOISE_S, in_noise
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, Recording, Spoken, read_samples
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.curve import HIGHEST_RATE, Alarms, counted
from sweepnet_service.detectors.keyword.evaluate.figures import Figures, FoldHeard, figures_at
from sweepnet_service.detectors.keyword.evaluate.groups import SILENCE
from sweepnet_service.detectors.keyword.evaluate.heard import Heard, hear, hear_samples
from sweepnet_service.detectors.keyword.evaluate.page.sound import clean
from sweepnet_service.detectors.keyword.evaluate.report import Measured
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report, paced

CLEAN = "clean"
SNRS_DB = (20.0, 10.0, 0.0)
SEED = 1
POINTS = 60
SILENCE_S = 60.0
HISS_DB = -60.0


@dataclass(frozen=True)
class Conditions:
    """Clean, and each signal-to-noise ratio for which there is `noise`, samples (n,) at 16 kHz."""

    noise: Sequence[Array] = ()
    snrs_db: tuple[float, ...] = SNRS_DB

    @property
    def names(self) -> list[str]:
        return [CLEAN, *(f"{snr_db:g} dB" for snr_db in self.snrs_db if self.noise)]

    def spoken(self, recordings: Sequence[Recording], name: str) -> Iterator[Spoken]:
        """The recordings in the condition of this name."""
        return self._changed(read_samples(recordings), name)

    def _changed(self, spoken: Iterator[Spoken], name: str) -> Iterator[Spoken]:
        if name == CLEAN:
            return spoken
        return in_noise(spoken, self.noise, float(name.removesuffix(" dB")), SEED)

    def sound(self, recording: Recording, name: str) -> Array:
        """One recording's samples (n,) in a condition."""
        spoken = (recording, clean(recording))
        return next(self._changed(iter([spoken]), name))[1]


def conditions_with(noise: Sequence[Recording]) -> Conditions:
    """The conditions that these recordings of noise allow; those under a second are left out."""
    shortest = round(SHORTEST_NOISE_S * RATE_HZ)
    kept = [samples for _, samples in read_samples(noise)]
    return Conditions([each for each in kept if len(each) >= shortest and np.any(each)])


def measure(
    detector: KeywordDetector,
    label: str,
    recordings: Measured,
    conditions: Conditions,
    report: Report,
    threshold: float | None = None,
) -> Figures:
    """The figures of a detector, by default at its own threshold.

    Raises InvalidInput where there is nothing to measure on.
    """
    if not recordings.words and not recordings.speech and not recordings.noise:
        raise InvalidInput("data", f'holds nothing to measure "{label}" on; expected recordings')
    heard = hear_all(detector, label, recordings, conditions, report)
    if threshold is None:
        threshold = detector.default_thresholds[label]
    return figures_at(label, [heard], [threshold], sweep_of(heard, label))


def hear_all(
    detector: KeywordDetector,
    label: str,
    recordings: Measured,
    conditions: Conditions,
    report: Report,
) -> FoldHeard:
    """The scores of all recordings, the words' in each condition; silence is added to the noise."""
    words = {}
    for name in conditions.names:
        tell = paced(f"words, {name}", len(recordings.words), report)
        spoken = conditions.spoken(recordings.words, name)
        words[name] = told(hear_samples(detector, spoken, label), tell)
    others = [*recordings.speech, *recordings.noise]
    tell = paced("other speech and noise", len(others), report)
    heard = told(hear(detector, others, label), tell)
    speech = len(recordings.speech)
    silence = hear_samples(detector, silences(), label)
    return FoldHeard(detector, words, heard[:speech], [*heard[speech:], *silence])


def told(heard: Iterable[Heard], tell: Callable[[int], None]) -> list[Heard]:
    """All of them; each is told when it was heard."""
    kept = []
    for each in heard:
        kept.append(each)
        tell(len(kept))
    return kept


def silences() -> list[Spoken]:
    """A minute of digital silence, and one of a quiet room's hiss at -60 dB full scale."""
    length = round(SILENCE_S * RATE_HZ)
    hiss = np.random.default_rng(SEED).standard_normal(length) * 10 ** (HISS_DB / 20)
    row = Recording(Path(SILENCE), 0.0, SILENCE_S, "test", "", SILENCE, "", "")
    return [
        (replace(row, text="digital silence"), np.zeros(length, np.float32)),
        (replace(row, text="hiss"), hiss.astype(np.float32)),
    ]


def sweep_of(heard: FoldHeard, label: str) -> list[tuple[float, ...]]:
    """Thresholds for a curve, falling: from above every false alarm to 20 of them an hour."""
    alarms = Alarms(heard.detector, label, heard.speech)
    if not heard.speech:
        return []
    thresholds, _ = counted([alarms], HIGHEST_RATE * alarms.hours)
    places = np.unique(np.geomspace(1, max(1, len(thresholds)), POINTS).astype(int)) - 1
    above = np.nextafter(thresholds[:1], 2.0)
    return [(float(each),) for each in (*above[above <= 1], *thresholds[places[: len(thresholds)]])]
