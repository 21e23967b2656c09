"""From trained heads to a detector that can be used: thresholds, word places, figures, card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sweepnet_service.detectors.keyword import card
from sweepnet_service.detectors.keyword.dataset import Spoken, read_samples
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import hear_samples
from sweepnet_service.detectors.keyword.gathering import place_of
from sweepnet_service.detectors.keyword.held_out import Sources, held_out
from sweepnet_service.detectors.keyword.intake import Dataset
from sweepnet_service.detectors.keyword.material import Material
from sweepnet_service.detectors.keyword.tuning import tested, tuned
from sweepnet_service.progress import Progress, Report

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.config import TrainConfig

ON_LEARNT = (
    "Scores and thresholds rest on recordings that the model learnt from, as there were too few to "
    "keep some apart: expect more misses and false alarms than they say."
)


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
    heard = held_out(sources(config, own), detector)
    placed = hear_samples(detector, placed_words(material), label)
    detector = tuned(detector, label, heard.words, heard.speech, list(placed), heard.besides)
    report(Progress("tuning", 1, 2))
    figures = None
    if config.data is not None:
        detector, figures = tested(detector, label, config.data)
    learnt = {place_of(row) for row in own.part("train").recordings} if own else set()
    if any(place_of(each.recording) in learnt for each in (*heard.words, *heard.speech)):
        config = replace(config, notes=(*config.notes, ON_LEARNT))
    made = card.make(config, material, detector, figures, heard)
    report(Progress("tuning", 2, 2))
    return replace(detector, card=made)


def sources(config: TrainConfig, own: Dataset | None) -> Sources:
    """Where the recordings lie that thresholds are chosen on."""
    return Sources(
        config.keyword,
        config.data,
        own,
        config.synthesize > 0,
        config.near_words,
        config.seed,
    )


def placed_words(material: Material, enough: int = 5, at_most: int = 200) -> Sequence[Spoken]:
    """Training recordings whose word's place is known, to learn where windows peak: real ones
    where there are enough, for the places of synthetic words are estimates.
    """
    real = list(read_samples(material.positive[:at_most]))
    return real if len(real) >= enough else [*real, *material.synthetic_positive[:at_most]]
