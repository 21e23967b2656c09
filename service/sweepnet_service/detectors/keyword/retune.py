"""A trained model, calibrated and given thresholds anew from other recordings: -> a model file.

The network's weights stay bit by bit, but for the affine layer before the sigmoid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnn_core import modelfile
from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword import card
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.held_out import Sources, check_sources, held_out
from sweepnet_service.detectors.keyword.intake import read_dataset, speech_folder
from sweepnet_service.detectors.keyword.speaking import engines
from sweepnet_service.detectors.keyword.spelled import with_reading
from sweepnet_service.detectors.keyword.trunk_source import taken_trunk
from sweepnet_service.detectors.keyword.trunks.reading import FEWEST_SENTENCES, fitted_reading
from sweepnet_service.detectors.keyword.trunks.speech import read_speech
from sweepnet_service.detectors.keyword.tuning import tested, tuned
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report


@dataclass(frozen=True)
class RetuneConfig:
    """Which model, and on what: the validation part of `data`, as training takes it or as a user
    keeps it; `synthesize` adds 100 voices. `label` may be left out where there is one. `phones`:
    scores and thresholds stay; what the trunk's phones are worth (see `Reading`) is told anew, for
    words that are added to the model or stand on its trunk. `notes` go into the card.
    """

    model: Path
    out: Path
    data: Path
    label: str = ""
    synthesize: bool = False
    phones: bool = False
    notes: tuple[str, ...] = ()
    seed: int = 1


def retune(config: RetuneConfig, report: Report) -> Path:
    """Writes the model to `out`, its card beside it, and returns the path."""
    kept = KeywordDetector.load(config.model)
    if config.phones and config.synthesize:
        raise InvalidInput(
            "synthesize", "is for thresholds, which stay with --phones; give one of the two"
        )
    if config.synthesize or config.phones:
        engines()
    whole = config.phones and not (config.label or config.notes)
    label = "" if whole else label_of(kept, config.label)
    made = read_anew(config, kept, report) if config.phones else tuned_anew(config, kept, report)
    told = card.with_part(made.card, label, lambda part: noted(part, config.notes))
    card.save(replace(made, card=told), config.out)
    report(Progress("done", 1, 1, 0.0, str(config.out)))
    return config.out


def tuned_anew(config: RetuneConfig, kept: KeywordDetector, report: Report) -> KeywordDetector:
    """The model with scores and thresholds of a label anew, and figures of the test part."""
    label = label_of(kept, config.label)
    report(Progress("tuning", 0, 2))
    sources = sources_of(config, label)
    check_sources(sources)
    heard = held_out(sources, kept)
    plain = as_filed(kept, config.model)
    detector = tuned(plain, label, heard.words, heard.speech, besides=heard.besides)
    report(Progress("tuning", 1, 2))
    figures = None
    if sources.data is not None:
        detector, figures = tested(detector, label, sources.data)
    made = card.with_part(
        detector.card,
        label,
        lambda part: card.retuned(part, detector, label, figures, heard),
    )
    return replace(detector, card=made)


def noted(part: dict[str, Any], notes: Sequence[str]) -> dict[str, Any]:
    """The card of a label with notes, each once, behind what it told before."""
    if not notes:
        return part
    told = [each for each in part["cautions"] if each not in notes]
    return {**part, "cautions": [*told, *notes]}


def read_anew(config: RetuneConfig, kept: KeywordDetector, report: Report) -> KeywordDetector:
    """The model with what its trunk tells of words. Raises InvalidInput where it has no trunk, or
    there is too little to read.
    """
    trunk, output = taken_trunk(config.model)
    rows = read_speech(config.data).part("validation")
    net = Sequential((*trunk.layers, output))
    reading = fitted_reading(net, kept.features, rows, report)
    if reading is None:
        raise InvalidInput(
            "data",
            f"tells too little of words, {len(rows)} sentences in its validation part; "
            f"expected {FEWEST_SENTENCES} or more with their text, for --phones",
        )
    return with_reading(as_filed(kept, config.model), reading)


def as_filed(detector: KeywordDetector, path: Path) -> KeywordDetector:
    """The detector with the network of its file: what loading folded would be other weights."""
    return replace(detector, net=modelfile.load(path).net)


def label_of(detector: KeywordDetector, label: str) -> str:
    """The label to tune. Raises InvalidInput where it must be named, or is none."""
    if label in detector.labels:
        return label
    if label or len(detector.labels) > 1:
        raise InvalidInput("label", f"got {label!r}; expected one of {', '.join(detector.labels)}")
    return detector.labels[0]


def sources_of(config: RetuneConfig, label: str) -> Sources:
    """The shipped models' data, or a user's own. Raises InvalidInput where there is none."""
    shipped = speech_folder(config.data)
    own = read_dataset(config.data) if shipped is None else None
    return Sources(label, shipped, own, config.synthesize, seed=config.seed)
