"""A trained model, calibrated and given thresholds anew from other recordings: -> a model file.

The network's weights stay bit by bit, but for the affine layer before the sigmoid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cnn_core import modelfile
from sweepnet_service.detectors.keyword import card
from sweepnet_service.detectors.keyword.config import TrainConfig, arranged
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.finishing import validation
from sweepnet_service.detectors.keyword.gathering import folder_of
from sweepnet_service.detectors.keyword.speaking import engines
from sweepnet_service.detectors.keyword.tuning import tested, tuned
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report


@dataclass(frozen=True)
class RetuneConfig:
    """Which model, and on what: the validation part of `data`, as training takes it or as a user
    keeps it; `synthesize` adds 100 voices. `label` may be left out where there is one.
    """

    model: Path
    out: Path
    data: Path
    label: str = ""
    synthesize: bool = False
    seed: int = 1


def retune(config: RetuneConfig, report: Report) -> Path:
    """Writes the model to `out`, its card beside it, and returns the path."""
    kept = KeywordDetector.load(config.model)
    label = label_of(kept, config.label)
    if config.synthesize:
        engines()
    report(Progress("tuning", 0, 2))
    sources = sources_of(config, label)
    words, speech = validation(sources, folder_of(sources), kept)
    if not words or not speech:
        raise InvalidInput(
            "data",
            f"holds {len(words)} recordings of {label!r} and {len(speech)} without it in its "
            "validation part; expected both",
        )
    # What loading folded would be other weights: the file's own network goes on.
    plain = replace(kept, net=modelfile.load(config.model).net)
    detector = tuned(plain, label, words, speech)
    report(Progress("tuning", 1, 2))
    figures = None
    if sources.data is not None:
        detector, figures = tested(detector, label, sources.data)
    made = card.with_part(
        detector.card,
        label,
        lambda part: card.retuned(part, detector, label, figures, words, speech),
    )
    card.save(replace(detector, card=made), config.out)
    report(Progress("done", 1, 1, 0.0, str(config.out)))
    return config.out


def label_of(detector: KeywordDetector, label: str) -> str:
    """The label to tune. Raises InvalidInput where it must be named, or is none."""
    if label in detector.labels:
        return label
    if label or len(detector.labels) > 1:
        raise InvalidInput("label", f"got {label!r}; expected one of {', '.join(detector.labels)}")
    return detector.labels[0]


def sources_of(config: RetuneConfig, label: str) -> TrainConfig:
    """Where recordings come from, as a training names it."""
    return arranged(
        TrainConfig(
            keyword=label,
            out=config.out,
            work_dir=config.out.parent,
            data=config.data,
            synthesize=int(config.synthesize),
            seed=config.seed,
        )
    )
