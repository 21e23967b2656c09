"""Two models on one data set: is the candidate worse, beyond what chance explains?

Misses are compared clip by clip over groups of clips (paired bootstrap), false alarms as Poisson
rates (MOVER; Donner and Zou 2002), AP50 over pictures drawn anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report

if TYPE_CHECKING:
    from sweepnet_service.detectors.image import ImageDetector
    from sweepnet_service.detectors.image.figures import Outcome
    from sweepnet_service.detectors.keyword import KeywordDetector
    from sweepnet_service.store.entries import Detector

FigureName = Literal["miss_rate", "false_alarms_per_hour", "ap50"]
DRAWS = 400
TAIL = 0.025


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of two models, and the 95 % interval of candidate minus baseline."""

    label: str
    figure: FigureName
    candidate: float
    baseline: float
    difference_low: float
    difference_high: float

    @property
    def worse(self) -> bool:
        """Whether the candidate is worse, the whole interval long."""
        return self.difference_high < 0 if self.figure == "ap50" else self.difference_low > 0


@dataclass(frozen=True)
class Comparison:
    """What was measured of two models on a data set; `baseline_sha256` tells the baseline's file,
    where a name could come to mean another.
    """

    data_set: str
    figures: tuple[ComparedFigure, ...]
    baseline_sha256: str = ""

    @property
    def worse(self) -> bool:
        """Whether any figure is."""
        return any(figure.worse for figure in self.figures)

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        figures = [{**asdict(each), "worse": each.worse} for each in self.figures]
        told = {"data_set": self.data_set, "figures": figures, "worse": self.worse}
        return {**told, "baseline_sha256": self.baseline_sha256}


def compared(
    candidate: Detector,
    baseline: Detector,
    data: Path,
    data_set: str,
    settings: Mapping[str, Any],
    report: Report,
) -> Comparison:
    """Both at their own thresholds; `settings` may name the folders of pictures.

    Raises InvalidInput for models of different kinds, without a common label, or where the data
    set holds nothing to measure on.
    """
    from sweepnet_service.detectors.image import ImageDetector
    from sweepnet_service.detectors.keyword import KeywordDetector

    if isinstance(candidate, ImageDetector) and isinstance(baseline, ImageDetector):
        return Comparison(data_set, _pictures(candidate, baseline, data, settings, report))
    if isinstance(candidate, KeywordDetector) and isinstance(baseline, KeywordDetector):
        return Comparison(data_set, _recordings(candidate, baseline, data, report))
    raise InvalidInput("baseline", "is of another kind than the candidate; expected the same kind")


def _recordings(
    candidate: KeywordDetector, baseline: KeywordDetector, data: Path, report: Report
) -> tuple[ComparedFigure, ...]:
    from sweepnet_service.detectors.keyword.evaluate import measured_in
    from sweepnet_service.detectors.keyword.evaluate.measure import Conditions, hear_all
    from sweepnet_service.detectors.keyword.intake import read_dataset

    labels = [label for label in candidate.labels if label in baseline.labels]
    if not labels:
        raise InvalidInput(
            "baseline",
            f"finds {list(baseline.labels)}, the candidate {list(candidate.labels)}; expected a "
            "label that both find",
        )
    dataset = read_dataset(data)
    recordings = {label: measured_in(dataset, label)[0] for label in labels}
    figures: list[ComparedFigure] = []
    heard = [
        hear_all(detector, recordings, Conditions(), report) for detector in (candidate, baseline)
    ]
    for label in labels:
        of_both = [each[label] for each in heard]
        clean = [next(iter(each.words.values())) for each in of_both]
        if clean[0]:
            figures.append(_misses(label, (candidate, baseline), clean))
        if of_both[0].speech:
            speech = [each.speech for each in of_both]
            figures.append(_alarms(label, (candidate, baseline), speech))
    if not figures:
        raise InvalidInput("data", "holds nothing to measure on; give recordings of a test split")
    return tuple(figures)


def _misses(label: str, detectors: Any, words: Any) -> ComparedFigure:
    from sweepnet_service.detectors.keyword.evaluate import (
        Decider,
        group_of,
        paired_difference,
    )

    missed: list[dict[int, float]] = []
    for detector, heard in zip(detectors, words, strict=True):
        decider = Decider(detector, label, detector.default_thresholds[label])
        missed.append({at: float(not decider.found(each)) for at, each in enumerate(heard)})
    groups = [group_of(each.recording) for each in words[0]]
    rates = [float(np.mean(list(each.values()))) for each in missed]
    # Two voices or fewer tell nothing of others.
    low, high = -1.0, 1.0
    if len(set(groups)) > 1:
        _, low, high = paired_difference(missed[0], missed[1], lambda at: groups[at])
    return ComparedFigure(label, "miss_rate", rates[0], rates[1], low, high)


def _alarms(label: str, detectors: Any, speech: Any) -> ComparedFigure:
    from sweepnet_service.detectors.keyword.evaluate import Decider, hours, poisson_rate

    counts = [
        Decider(detector, label, detector.default_thresholds[label]).alarms(heard)
        for detector, heard in zip(detectors, speech, strict=True)
    ]
    ours, theirs = (poisson_rate(count, max(hours(speech[0]), 1e-9)) for count in counts)
    apart = ours.value - theirs.value
    low = apart - hypot(ours.value - ours.low, theirs.high - theirs.value)
    high = apart + hypot(ours.high - ours.value, theirs.value - theirs.low)
    return ComparedFigure(label, "false_alarms_per_hour", ours.value, theirs.value, low, high)


def _pictures(
    candidate: ImageDetector,
    baseline: ImageDetector,
    data: Path,
    settings: Mapping[str, Any],
    report: Report,
) -> tuple[ComparedFigure, ...]:
    from sweepnet_service.detectors.image.dataset import read_listing
    from sweepnet_service.detectors.image.evaluate.outcomes import outcomes

    entries = [
        entry
        for entry in read_listing(data, str(settings.get("objects", "flowers")), "val")
        if entry.complete
    ]
    if not entries:
        raise InvalidInput("data", "holds no completely labelled pictures of the split val")
    labels = [label for label in candidate.labels if label in baseline.labels]
    if not labels:
        raise InvalidInput(
            "baseline",
            f"finds {list(baseline.labels)}, the candidate {list(candidate.labels)}; expected a "
            "label that both find",
        )
    ours, theirs = (outcomes(each, entries, report) for each in (candidate, baseline))
    return tuple(average_precisions(label, ours[label], theirs[label]) for label in labels)


def average_precisions(
    label: str, ours: list[Outcome], theirs: list[Outcome], seed: int = 0
) -> ComparedFigure:
    """AP50 of two models on the same pictures, which are drawn anew for the interval."""
    from sweepnet_service.detectors.image.figures import average_precision

    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(ours), len(ours)).tolist()
        picked = ([part[at] for at in drawn] for part in (ours, theirs))
        first, second = (average_precision(part) for part in picked)
        differences.append(first - second)
    low, high = np.quantile(differences, (TAIL, 1 - TAIL))
    values = (average_precision(ours), average_precision(theirs))
    return ComparedFigure(label, "ap50", *values, float(low), float(high))
