"""From trained heads to a detector that can be used: thresholds, word places, figures, card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sweepnet_service.detectors.keyword import card, synthesis
from sweepnet_service.detectors.keyword.dataset import Spoken, read_samples
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import Heard, hear, hear_samples, measured_on
from sweepnet_service.detectors.keyword.gathering import located, near_texts, place_of
from sweepnet_service.detectors.keyword.intake import Dataset
from sweepnet_service.detectors.keyword.material import Material, as_recording
from sweepnet_service.detectors.keyword.tuning import tested, tuned
from sweepnet_service.progress import Progress, Report

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.config import TrainConfig

SPOKEN_WORDS, SPOKEN_OTHERS = 100, 300
ON_LEARNT = (
    "Scores and thresholds rest on recordings that the model learnt from, as there were too few to "
    "keep some apart: expect more misses and false alarms than they say."
)
FEWEST_OTHERS = 50
"""With fewer recordings that hold no word, synthetic ones help to choose thresholds."""


def finished(
    config: TrainConfig,
    material: Material,
    own: Dataset | None,
    detector: KeywordDetector,
    report: Report,
) -> KeywordDetector:
    """The detector with thresholds from validation recordings, and its card."""
    label = config.keyword
    report(Progress("tuning", 0, 2))
    words, speech = validation(config, own, detector)
    placed = hear_samples(detector, placed_words(material), label)
    detector = tuned(detector, label, words, speech, list(placed))
    report(Progress("tuning", 1, 2))
    figures = None
    if config.data is not None:
        detector, figures = tested(detector, label, config.data)
    learnt = {place_of(row) for row in own.part("train").recordings} if own else set()
    if any(place_of(heard.recording) in learnt for heard in (*words, *speech)):
        config = replace(config, notes=(*config.notes, ON_LEARNT))
    made = card.make(config, material, detector, figures, words, speech)
    report(Progress("tuning", 2, 2))
    return replace(detector, card=made)


def validation(
    config: TrainConfig, own: Dataset | None, detector: KeywordDetector
) -> tuple[list[Heard], list[Heard]]:
    """Recordings that the head never saw: those of the validation split, fresh synthetic ones.

    Where a user's data set has none to spare, those that it learnt from.
    """
    label = config.keyword
    rng = np.random.default_rng((config.seed, 3))
    words: list[Heard] = []
    speech: list[Heard] = []
    if config.data is not None:
        kept = measured_on(config.data, label, "validation")
        words += hear(detector, kept.words, label)
        speech += hear(detector, [*kept.speech, *kept.noise], label)
    if own is not None:
        kept_words, kept_speech = heard_of(own.part("validation"), detector, label)
        words, speech = [*words, *kept_words], [*speech, *kept_speech]
    if config.synthesize:
        words += hear_clips(detector, synthesis.positives(label, SPOKEN_WORDS, rng), label)
        if len(speech) < FEWEST_OTHERS:
            other = synthesis.negatives(near_texts(config), SPOKEN_OTHERS, rng, label)
            speech += hear_clips(detector, other, label)
    if own is not None and not (words and speech):
        learnt_words, learnt_speech = heard_of(own.part("train"), detector, label)
        words, speech = words or learnt_words, speech or learnt_speech
    return words, speech


def heard_of(
    data: Dataset, detector: KeywordDetector, label: str
) -> tuple[list[Heard], list[Heard]]:
    """The recordings of the word and the others of a data set, heard."""
    found = located(data, label)
    words = hear(detector, [*found.placed, *found.weak], label)
    return list(words), list(hear(detector, data.negative(label), label))


def hear_clips(
    detector: KeywordDetector, clips: Iterable[synthesis.Clip], label: str
) -> Iterator[Heard]:
    """Synthetic clips through a detector."""
    spoken = ((as_recording(clip), clip.samples) for clip in clips)
    return hear_samples(detector, spoken, label)


def placed_words(material: Material, enough: int = 5, at_most: int = 200) -> Sequence[Spoken]:
    """Training recordings whose word's place is known, to learn where windows peak: real ones
    where there are enough, for the places of synthetic words are estimates.
    """
    real = list(read_samples(material.positive[:at_most]))
    return real if len(real) >= enough else [*real, *material.synthetic_positive[:at_most]]
