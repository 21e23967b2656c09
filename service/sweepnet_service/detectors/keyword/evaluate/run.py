"""From models and a data set to the report: what `sweepnet evaluate keyword` does."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.figures import Figures
from sweepnet_service.detectors.keyword.evaluate.measure import (
    Conditions,
    conditions_with,
    measure,
)
from sweepnet_service.detectors.keyword.evaluate.page import About, write_report
from sweepnet_service.detectors.keyword.evaluate.report import Measured, measured_in
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report

FOLDER = Path("evaluation")


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

    def threshold_of(self, detector: KeywordDetector, label: str) -> float:
        """Raises InvalidInput for a rate that the model does not know."""
        if self.threshold is not None:
            return self.threshold
        return detector.thresholds({}, self.false_alarms_per_hour)[label]


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
    runs: dict[str, list[Figures]] = {}
    part, conditions = "", Conditions()
    for label in detectors[0].labels:
        recordings, part = measured_in(asked.data, label, asked.split)
        conditions = conditions_with(recordings.noise)
        check(recordings, label, asked.data)
        runs[label] = [
            measure(each, label, recordings, conditions, report, asked.threshold_of(each, label))
            for each in detectors
        ]
    figures = [each[0] for each in runs.values()]
    about = about_model(files[0], detectors[0], asked, part)
    rest = {label: each[1:] for label, each in runs.items()}
    write_report(page, figures, about, conditions.sound, rest)
    return figures


def check(recordings: Measured, label: str, data: Path) -> None:
    """Raises InvalidInput where neither a word nor speech without it is there."""
    if not recordings.words and not recordings.speech:
        raise InvalidInput(
            str(data), f'holds neither recordings of "{label}" nor other speech to measure on'
        )


def about_model(file: Path, detector: KeywordDetector, asked: Asked, part: str) -> About:
    """What the page says of itself."""
    names = " and ".join(f"“{label}”" for label in detector.labels)
    facts = {
        "Model": f"{file.name}, sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:12]}",
        "Recordings": f"{asked.data.resolve().name}, {f'split {part}' if part else 'all of it'}",
        "Measured": time.strftime("%Y-%m-%d %H:%M"),
        "With": f"sweepnet {version('sweepnet')}",
    }
    return About(f"{names}: how well it is heard", facts, detector.card.get("cautions", ()))
