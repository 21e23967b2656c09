"""Detectors measured on recordings of the word in several conditions, on other speech, on noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.calibration import Reliability
from sweepnet_service.detectors.keyword.conditions import (
    CLEAN,
    SHORTEST_NOISE_S,
    in_condition,
)
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, Recording, Spoken, read_samples
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.counting import figures_at
from sweepnet_service.detectors.keyword.evaluate.curve import HIGHEST_RATE, Alarms, counted
from sweepnet_service.detectors.keyword.evaluate.figures import Figures, FoldHeard
from sweepnet_service.detectors.keyword.evaluate.groups import SILENCE
from sweepnet_service.detectors.keyword.evaluate.heard import Heard, hear_labels, hear_samples
from sweepnet_service.detectors.keyword.evaluate.peaks import heard_peaks
from sweepnet_service.detectors.keyword.evaluate.report import Measured
from sweepnet_service.detectors.keyword.evaluate.worst import negatives
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report, paced

T = TypeVar("T")
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
        return in_condition(read_samples(recordings), name, self.noise, SEED)

    def sound(self, recording: Recording, name: str) -> Array:
        """One recording's samples (n,) in a condition."""
        return next(self.spoken([recording], name))[1]


def conditions_with(noise: Sequence[Recording]) -> Conditions:
    """The conditions that these recordings of noise allow; those under a second are left out."""
    shortest = round(SHORTEST_NOISE_S * RATE_HZ)
    kept = [samples for _, samples in read_samples(noise)]
    return Conditions([each for each in kept if len(each) >= shortest and np.any(each)])


def measure(
    detector: KeywordDetector,
    recordings: Mapping[str, Measured],
    conditions: Conditions,
    report: Report,
    thresholds: Mapping[str, float] | None = None,
) -> dict[str, Figures]:
    """The figures of a detector on the recordings of each label, by default at its own thresholds.

    Raises InvalidInput where there is nothing to measure on.
    """
    for label, kept in recordings.items():
        if not (kept.words or kept.speech or kept.noise):
            raise InvalidInput("data", f'holds nothing to measure "{label}" on')
    at = detector.default_thresholds if thresholds is None else thresholds
    heard = hear_all(detector, recordings, conditions, report)
    return {
        label: replace(
            figures_at(label, [each], [at[label]], sweep_of(each, label)),
            reliability=reliability_of(each, label),
        )
        for label, each in heard.items()
    }


def reliability_of(heard: FoldHeard, label: str) -> Reliability | None:
    """How far the scores are probabilities, on words as they are and all other sound; None where
    either is missing. Silence is no sound: its peaks would flatter.
    """
    others = [each for kind, each in negatives(heard) if kind != SILENCE]
    return heard_peaks(heard.detector, label, heard.words[CLEAN], others).reliability


def hear_all(
    detector: KeywordDetector,
    recordings: Mapping[str, Measured],
    conditions: Conditions,
    report: Report,
) -> dict[str, FoldHeard]:
    """The scores of each label's recordings, its words in each condition; silence joins the noise.

    What several labels are measured on is heard once.
    """
    labels = list(recordings)
    parts = [part for kept in recordings.values() for part in (kept.words, kept.speech, kept.noise)]
    rows = list(dict.fromkeys(row for part in parts for row in part))
    tell = paced("recordings", len(rows), report)
    heard = told(hear_labels(detector, read_samples(rows), labels), tell)
    known = dict(zip(rows, heard, strict=True))
    silent = list(hear_labels(detector, silences(), labels))

    def of(label: str, part: Sequence[Recording]) -> list[Heard]:
        return [known[row][label] for row in part]

    found = {}
    for label, kept in recordings.items():
        words = {CLEAN: of(label, kept.words)}
        for name in conditions.names[1:]:
            tell = paced(f"{label}, {name}", len(kept.words), report)
            spoken = conditions.spoken(kept.words, name)
            words[name] = told(hear_samples(detector, spoken, label), tell)
        noise = [*of(label, kept.noise), *(each[label] for each in silent)]
        found[label] = FoldHeard(detector, words, of(label, kept.speech), noise)
    return found


def told(heard: Iterable[T], tell: Callable[[int], None]) -> list[T]:
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
