"""Words by their phones: weights, scores, thresholds as the trunk's file tells of other words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnn_core import modelfile
from sweepnet_service.detectors.keyword.assembly import UNCALIBRATED, Calibrated
from sweepnet_service.detectors.keyword.detector import KeywordDetector, Placement
from sweepnet_service.detectors.keyword.phones import mean_length
from sweepnet_service.detectors.keyword.trunks.reading import Reading
from sweepnet_service.detectors.keyword.tuning import DEFAULT_RATE
from sweepnet_service.errors import InvalidInput

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.config import TrainConfig

WEIGHT = 3.0
"""Of the phones beside heads, where the trunk's file tells nothing."""
OF_READING = (
    "Nobody was heard to say the word: its scores, thresholds and their misses are those of other "
    "words with about as many phones, read in validation sentences; words of common sounds do "
    "worse."
)
PHONE_S = 0.08
"""How long a phone of read speech takes."""
TRUNK_S = 0.31
"""How far a step of the trunk sees behind its middle."""


def reading_of(config: TrainConfig) -> Reading | None:
    """What the trunk's file tells of words read off its phones; None where it tells nothing."""
    return None if config.trunk is None or config.train_trunk else reading_in(config.trunk)


def reading_in(path: Path) -> Reading | None:
    """The reading in the file of a trunk, or of a word that stands on one; None where none is.

    Raises InvalidInput for one that cannot be understood.
    """
    card = modelfile.load(path).description.get("card", {})
    try:
        told = (part.get("reading") for part in (card, *card.get("joined", ())))
        return next((Reading.from_dict(each) for each in told if each), None)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise InvalidInput(
            str(path), f"what its card tells of words cannot be read ({error!r}); train it again"
        ) from error


def with_reading(detector: KeywordDetector, reading: Reading | None) -> KeywordDetector:
    """The detector with what its trunk tells of words, for those that will be added to it."""
    if reading is None:
        return detector
    return replace(detector, card={**detector.card, "reading": reading.to_dict()})


def weight_of(
    config: TrainConfig, reading: Reading | None, spellings: Sequence[tuple[int, ...]]
) -> float:
    """The weight of path scores beside heads, whose log odds they are added to."""
    if config.path_weight or not spellings:
        return config.path_weight or WEIGHT
    return weight_for(reading, mean_length(spellings))


def weight_for(reading: Reading | None, phones: int) -> float:
    """The weight of words with so many phones: the slope of their log odds, as both are added."""
    return WEIGHT if reading is None else reading.scale_of(phones)[0]


def scored_by(
    reading: Reading, detector: KeywordDetector, phones: int, weight: float
) -> KeywordDetector:
    """The detector of one word by its phones alone, which `weight` scales, with the log odds and
    operating points that words of so many phones have.
    """
    (label,) = detector.labels
    net = Calibrated.of(detector.net, 1)
    scale, offset = reading.scale_of(phones)
    points = reading.points_of(phones)
    chosen = {point.false_alarms_per_hour: point.threshold for point in points}
    usual = detector.default_thresholds[label]
    # A path may lie anywhere in its window: the first that holds the word scores highest.
    end_s = detector.window_s - TRUNK_S
    return replace(
        detector,
        net=net.mapped(0, scale / (UNCALIBRATED * weight), offset).net,
        placements={label: Placement(max(0.0, end_s - PHONE_S * phones), end_s)},
        operating_points={label: points},
        default_thresholds={label: chosen.get(DEFAULT_RATE, usual)},
    )
