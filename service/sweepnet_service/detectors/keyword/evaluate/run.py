"""From models and a data set to the report: what `sweepnet evaluate keyword` does."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.figures import Figures
from sweepnet_service.detectors.keyword.evaluate.measure import conditions_with, measure
from sweepnet_service.detectors.keyword.evaluate.page import About, write_report
from sweepnet_service.detectors.keyword.evaluate.page.words import number
from sweepnet_service.detectors.keyword.evaluate.report import ALL, TEST, Measured, measured_in
from sweepnet_service.detectors.keyword.intake import check_tells_words, read_dataset
from sweepnet_service.detectors.keyword.paths import check_files
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report

FOLDER = Path("evaluation")
MAY_BE_LEARNT = (
    "The model may have learnt from these recordings, or chosen its thresholds with them: expect "
    "more misses and false alarms on others."
)


@dataclass(frozen=True)
class Asked:
    """What to measure on, and at which threshold: the models' own by default."""

    data: Path
    split: str | None = None
    threshold: float | None = None
    false_alarms_per_hour: float | None = None

    def page_of(self, model: str) -> Path:
        """Where the report goes by default: named after the model and the time."""
        return FOLDER / f"{model}-{time.strftime('%Y%m%d-%H%M%S')}.html"

    def thresholds_of(self, detector: KeywordDetector) -> dict[str, float]:
        """One a label. Raises InvalidInput for a rate that the model does not know."""
        chosen = {} if self.threshold is None else dict.fromkeys(detector.labels, self.threshold)
        return detector.thresholds(chosen, self.false_alarms_per_hour)


def report_on_models(
    files: Sequence[Path],
    detectors: Sequence[KeywordDetector],
    asked: Asked,
    page: Path,
    report: Report,
) -> list[Figures]:
    """The figures of the first model, a label each; the others show how far seeds differ.

    Writes `page`. Raises InvalidInput for labels that differ, or nothing to measure on.
    """
    if any(each.labels != detectors[0].labels for each in detectors):
        raise InvalidInput("seed-model", f"labels differ from {list(detectors[0].labels)}")
    dataset = read_dataset(asked.data)
    check_tells_words(dataset, detectors[0].labels)
    found = {label: measured_in(dataset, label, asked.split) for label in detectors[0].labels}
    recordings = {label: kept for label, (kept, _) in found.items()}
    for label, kept in recordings.items():
        check(kept, label, asked.data)
        check_files([*kept.words, *kept.speech, *kept.noise])
    thresholds = [asked.thresholds_of(each) for each in detectors]
    conditions = conditions_with(next(iter(recordings.values())).noise)
    runs = [
        measure(each, recordings, conditions, report, at)
        for each, at in zip(detectors, thresholds, strict=True)
    ]
    part = next(part for _, part in found.values())
    first, *others = runs
    first = {
        label: replace(each, cautions=cautions(recordings[label], part))
        for label, each in first.items()
    }
    about = about_model(files[0], detectors[0], asked, part)
    seeds = {label: [run[label] for run in others] for label in first}
    write_report(page, list(first.values()), about, conditions.sound, seeds)
    return list(first.values())


def cautions(recordings: Measured, part: str) -> tuple[str, ...]:
    """What to know of figures on a split, or on all."""
    told = [] if part == TEST else [MAY_BE_LEARNT]
    if count := recordings.known_speech:
        told.append(
            f"{number(count, 'recording')} of other speech by voices of other splits: not counted."
        )
    if count := recordings.known_words:
        told.append(
            f"{number(count, 'recording')} of the word by voices of other splits: expect more "
            "misses of others."
        )
    return tuple(told)


def check(recordings: Measured, label: str, data: Path) -> None:
    """Raises InvalidInput where neither a word nor speech without it is there."""
    if not recordings.words and not recordings.speech:
        raise InvalidInput(
            str(data), f'holds neither recordings of "{label}" nor other speech to measure on'
        )


def about_model(file: Path, detector: KeywordDetector, asked: Asked, part: str) -> About:
    """What the page says of itself."""
    names = " and ".join(f"“{label}”" for label in detector.labels)
    of = "all of it" if part == ALL else f"split {part}"
    facts = {
        "Model": f"{file.name}, sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:12]}",
        "Recordings": f"{asked.data.resolve().name}, {of}",
        "Measured": time.strftime("%Y-%m-%d %H:%M"),
        "With": f"sweepnet {version('sweepnet')}",
    }
    title, cautions = f"{names}: how well it is heard", detector.card.get("cautions", ())
    return About(title, facts, cautions=cautions)
