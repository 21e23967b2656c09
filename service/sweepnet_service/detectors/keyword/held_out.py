"""Recordings that a head never saw, heard: what its scores and thresholds are chosen on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sweepnet_service.detectors.keyword import synthesis
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import Heard, hear, hear_samples, measured_on
from sweepnet_service.detectors.keyword.gathering import located
from sweepnet_service.detectors.keyword.intake import Dataset
from sweepnet_service.detectors.keyword.material import as_recording
from sweepnet_service.detectors.keyword.near import near_words
from sweepnet_service.detectors.keyword.paths import check_files
from sweepnet_service.errors import InvalidInput

SPOKEN_WORDS, SPOKEN_OTHERS = 100, 300
FEWEST_OTHERS = 50
"""With fewer recordings that hold no word, synthetic ones help to choose thresholds."""


@dataclass(frozen=True)
class Sources:
    """Where recordings of `keyword` and others come from: the shipped models' `data`, a user's
    `own`, and with `synthesize` 100 clips of the word, by voices that training may have heard.
    """

    keyword: str
    data: Path | None = None
    own: Dataset | None = None
    synthesize: bool = False
    near_words: tuple[str, ...] = ()
    seed: int = 1


@dataclass(frozen=True)
class HeldOut:
    """Recordings of the word; speech of people without it; `besides` noise, synthetic speech."""

    words: tuple[Heard, ...] = ()
    speech: tuple[Heard, ...] = ()
    besides: tuple[Heard, ...] = ()

    def __add__(self, other: HeldOut) -> HeldOut:
        return HeldOut(
            self.words + other.words, self.speech + other.speech, self.besides + other.besides
        )


def check_sources(sources: Sources) -> None:
    """Raises InvalidInput where `held_out` would find files missing, no recording of the word, or
    nothing but those.
    """
    words, others = recordings_of(sources)
    check_files([*words, *others])
    if not sources.synthesize and not (words and others):
        raise InvalidInput(
            "data",
            f"holds {len(words)} recordings of {sources.keyword!r} and {len(others)} without it in "
            "its validation part; expected both",
        )


def recordings_of(sources: Sources) -> tuple[list[Recording], list[Recording]]:
    """(recordings of the word, others) that `held_out` hears."""
    words, others = [], []
    if sources.data is not None:
        kept = measured_on(sources.data, sources.keyword, "validation")
        words, others = [*kept.words], [*kept.speech, *kept.noise]
    if sources.own is not None:
        for own in map(sources.own.part, ("validation", "train")):
            words = words or [*own.placed(sources.keyword), *own.weak(sources.keyword)]
            others = others or own.negative(sources.keyword)
    return words, others


def held_out(sources: Sources, detector: KeywordDetector) -> HeldOut:
    """What the head never saw: the validation split, fresh synthetic clips.

    Where a user's data set has none to spare, those that it learnt from.
    """
    kept = HeldOut()
    if sources.data is not None:
        kept += of_data(sources.data, detector, sources.keyword)
    if sources.own is not None:
        kept += of_own(sources.own.part("validation"), detector, sources.keyword)
    if sources.synthesize:
        kept += spoken(sources, detector, others=len(kept.speech) < FEWEST_OTHERS)
    if sources.own is not None and not (kept.words and (kept.speech or kept.besides)):
        learnt = of_own(sources.own.part("train"), detector, sources.keyword)
        kept = replace(kept, words=kept.words or learnt.words, speech=kept.speech or learnt.speech)
    return kept


def of_data(data: Path, detector: KeywordDetector, label: str) -> HeldOut:
    """The validation split of the shipped models' data."""
    kept = measured_on(data, label, "validation")
    parts = (kept.words, kept.speech, kept.noise)
    return HeldOut(*(tuple(hear(detector, part, label)) for part in parts))


def of_own(data: Dataset, detector: KeywordDetector, label: str) -> HeldOut:
    """The recordings of a user's data set."""
    found = located(data, label)
    parts = ([*found.placed, *found.weak], data.negative(label))
    return HeldOut(*(tuple(hear(detector, part, label)) for part in parts))


def spoken(sources: Sources, detector: KeywordDetector, others: bool) -> HeldOut:
    """Synthetic clips of the word, and, if asked for, of others."""
    label, rng = sources.keyword, np.random.default_rng((sources.seed, 3))
    words = hear_clips(detector, synthesis.positives(label, SPOKEN_WORDS, rng), label)
    kept = HeldOut(words=tuple(words))
    if not others:
        return kept
    texts = (*(sources.near_words or near_words(label)), *synthesis.COMMON)
    clips = synthesis.negatives(texts, SPOKEN_OTHERS, rng, label)
    return replace(kept, besides=tuple(hear_clips(detector, clips, label)))


def hear_clips(
    detector: KeywordDetector, clips: Iterable[synthesis.Clip], label: str
) -> Iterator[Heard]:
    """Synthetic clips through a detector."""
    spoken = ((as_recording(clip), clip.samples) for clip in clips)
    return hear_samples(detector, spoken, label)
