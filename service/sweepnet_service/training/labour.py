"""What a job does in its own process: look at the data, train, measure against the live version."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_core.errors import ModelFileError
from cnn_core.modelfile import write_whole
from sweepnet_service.errors import InvalidInput, SweepnetError
from sweepnet_service.progress import Report
from sweepnet_service.store import Library, name_alone
from sweepnet_service.store.entries import load_detector
from sweepnet_service.store.version import sha256_of
from sweepnet_service.training.answers import with_answers
from sweepnet_service.training.budget import with_budget
from sweepnet_service.training.comparing import Comparison, compared
from sweepnet_service.training.configs import ordered, train
from sweepnet_service.training.inspection import digest_of, problems_of
from sweepnet_service.training.order import Order, Problem

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword import KeywordDetector
    from sweepnet_service.store.entries import Detector

Say = Callable[..., None]
DIGEST = "data.sha256"
MOST_NAMED = 3


def done(order: Order, place: Path, models: Path, say: Say, report: Report) -> dict[str, Any]:
    """What the job brought: path of the model file, the data set's digest, what was compared."""
    library = Library(models)
    if order.task == "comparison":
        baseline = library.load(order.baseline)
        told = compared(
            library.load(order.model), baseline, order.data, order.data_set, order.settings, report
        )
        return {"path": "", "comparison": told.to_json()}
    base = library.entry(order.base_model).path if order.base_model else None
    data, answers = with_answers(order, place)
    label = name_alone(order.model)
    config, _ = ordered(order.kind, label, data, place, order.settings, order.labels, base)
    look(order, config, say, report)
    digest = _kept_digest(data, place, report)
    config, steps = with_budget(order.kind, config, order.budget_minutes, place, report)
    say("budget", steps=steps)
    made = trained(order.kind, config, report)
    remark = with_goal(made, order) if order.false_alarms_per_hour else ""
    comparison, unmeasured = against_live(order, made, library, report)
    remarks = "; ".join(filter(None, (remark, unmeasured)))
    told_of = comparison.to_json() if comparison else None
    made_of = {"data_sha256": digest, "capture_count": answers}
    return {"path": str(made), **made_of, "comparison": told_of, "remark": remarks}


def trained(kind: str, config: Any, report: Report) -> Path:
    """The model file; from the beginning where what was kept to go on from cannot be read."""
    try:
        return train(kind, config, report)
    except ModelFileError as error:
        print(f"begun anew, for what was kept is damaged: {error}", file=sys.stderr)
        shutil.rmtree(config.work_dir, ignore_errors=True)
        return train(kind, config, report)


def look(order: Order, config: Any, say: Say, report: Report) -> None:
    """Tell what is wrong with the data; raises InvalidInput where it cannot be used."""
    problems = problems_of(order.kind, config, report)
    say("problems", problems=[asdict(problem) for problem in problems])
    refused = [problem for problem in problems if problem.refused]
    if refused:
        raise InvalidInput("data", f"cannot be used; {_listed(refused)}")


def _listed(problems: Sequence[Problem]) -> str:
    named = (": ".join(filter(None, (each.file, each.reason))) for each in problems[:MOST_NAMED])
    more = len(problems) - MOST_NAMED
    return "; ".join(named) + (f"; and {more} more" if more > 0 else "")


def _kept_digest(data: Path, place: Path, report: Report) -> str:
    """The digest of the data as it was when the training first began."""
    path = place / DIGEST
    if not path.exists():
        write_whole(path, digest_of(data, report).encode())
    return path.read_text()


def with_goal(made: Path, order: Order) -> str:
    """Set the thresholds of a keyword model for the rate that was asked for; why not, where its
    training measured no such rate.
    """
    from sweepnet_service.detectors.keyword import KeywordDetector

    detector = KeywordDetector.load(made)
    try:
        chosen = detector.thresholds({}, order.false_alarms_per_hour)
    except SweepnetError as error:
        return f"its thresholds are the training's own: {error.message}"
    replace(detector, default_thresholds=chosen).save(made)
    return ""


def against_live(
    order: Order, made: Path, library: Library, report: Report
) -> tuple[Comparison | None, str]:
    """The new model measured against the live one on the job's own data set; or why that cannot
    be done.
    """
    library.refresh()
    if order.model not in library.entries:
        return None, ""
    candidate: Detector | KeywordDetector = load_detector(order.kind, made)
    try:
        # Loaded before its entry is asked for: a broken one gives way to the version before.
        baseline = library.load(order.model)
        digest = sha256_of(library.entry(order.model).path)
        settings = order.settings
        told = compared(candidate, baseline, order.data, order.data_set, settings, report)
    except (SweepnetError, OSError) as error:
        return None, f"it was not measured against the live version: {error}"
    return replace(told, baseline_sha256=digest), ""
