"""Peaks of scores, with the word and without: what calibration is fitted to, and measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.calibration import Reliability, reliability
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.heard import Heard, hours, peaks, word_score
from sweepnet_service.detectors.keyword.folds import voice

APART_S = 1.0
FINITE = (1e-12, 1 - 1e-7)


@dataclass(frozen=True)
class Peaks:
    """Log odds of the word in recordings that say it, (n,), and of the peaks of other sound, (m,)
    from the highest; who made each; how many hours of other sound there were.
    """

    words: Array
    voices: tuple[str, ...]
    others: Array
    other_voices: tuple[str, ...]
    hours: float

    @property
    def measurable(self) -> bool:
        """Whether there is a peak of either kind."""
        return bool(len(self.words) and len(self.others))

    @property
    def reliability(self) -> Reliability | None:
        """How reliable the scores are; None where one of the kinds is missing."""
        return reliability(expit(self.words), expit(self.others)) if self.measurable else None


def heard_peaks(
    detector: KeywordDetector, label: str, words: Sequence[Heard], speech: Sequence[Heard]
) -> Peaks:
    """The peaks of recordings with the word and without it."""
    apart = round(APART_S / detector.hop_s)
    others = [
        (float(odds[index]), voice(each.recording))
        for each in speech
        for odds in [log_odds(each.scores)]
        for index in peaks(odds, apart)
    ]
    others.sort(reverse=True)
    best = np.array([word_score(detector, label, each) for each in words], np.float32)
    return Peaks(
        words=log_odds(best),
        voices=tuple(voice(each.recording) for each in words),
        others=np.array([peak for peak, _ in others]),
        other_voices=tuple(name for _, name in others),
        hours=hours(speech),
    )


def log_odds(scores: Array) -> Array:
    """Scores 0..1 in single precision as log odds, which stay finite."""
    return np.asarray(logit(np.clip(scores.astype(np.float64), *FINITE)))
