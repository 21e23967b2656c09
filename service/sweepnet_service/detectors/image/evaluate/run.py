"""From a model and a folder of pictures to the report: what `sweepnet evaluate image` does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sweepnet_service.progress import Report as Tell

from ..config import TrainConfig
from ..detector import ImageDetector
from ..teacher import digest_of
from .measure import measure, report_on
from .page import write_page
from .report import Report

FOLDER = Path("evaluation")


@dataclass(frozen=True)
class Asked:
    """What to measure on."""

    data: Path
    split: str = "val"

    def page_of(self, model: str) -> Path:
        """Where the report goes by default: named after the model and the time."""
        return FOLDER / f"{model}-{time.strftime('%Y%m%d-%H%M%S')}.html"


def report_on_model(file: Path, asked: Asked, page: Path, progress: Tell) -> Report:
    """The figures of a model; writes `page`. Raises InvalidInput where there is nothing to measure.

    The folders are those that the model learnt from, `flowers` and `negatives` unless it says so.
    """
    detector = ImageDetector.load(file)
    trained = detector.card.get("training") or {}
    objects = str(trained.get("objects", TrainConfig.objects))
    negatives = str(trained.get("negatives", TrainConfig.negatives))
    measured = measure(detector, asked.data, asked.split, objects, negatives, progress)
    report = report_on(detector, measured, asked.split)
    facts = {
        "model": f"{file.name}, SHA-256 {digest_of(file)}…",
        "pictures": f"{asked.data.name}/{objects}/{asked.split}, {negatives}/{asked.split}",
        "measured": time.strftime("%Y-%m-%d %H:%M"),
        "sweepnet": version("sweepnet"),
    }
    write_page(page, report, measured, facts)
    return report
