"""From a finished training to a version: published once, promoted unless it was found worse."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from sweepnet_service.errors import SweepnetError
from sweepnet_service.records.comparisons import ComparisonRecords
from sweepnet_service.store import Library, Lineage, Version, publishing
from sweepnet_service.store.entries import load_detector
from sweepnet_service.training.order import Job
from sweepnet_service.training.process import Done

FIGURES = ("test", "figures", "calibration")
"""Entries of a model's card that tell what was measured."""


def completed(
    job: Job, told: Done, library: Library, comparisons: ComparisonRecords
) -> Mapping[str, Any]:
    """The result of a job as it is kept. Done again after a crash it publishes nothing twice."""
    if job.order.task == "comparison":
        assert told.comparison is not None
        comparisons.add(job.order.model, job.order.baseline, told.comparison)
        return {"comparison": {**told.comparison, **_pair(job.order.model, job.order.baseline)}}
    library.refresh()
    version = _published(job, told, library)
    live, comparison = _served(library, version.detector), None
    measured = _measured(told, library, version, live)
    if told.comparison is not None and measured is not None:
        comparisons.add(version.name, measured.name, told.comparison)
        comparison = {**told.comparison, **_pair(version.name, measured.name)}
    why_not = _why_not(job, version, live, measured, comparisons)
    if not why_not:
        publishing.promote(library, version.name, force=True)
    return {
        "version": version.name,
        "promoted": not why_not,
        "not_promoted_because": why_not,
        "comparison": comparison,
        "remark": told.remark,
    }


def _served(library: Library, name: str) -> Version | None:
    """The version that is in use under a name, loaded to be sure of it."""
    library.refresh()
    with suppress(SweepnetError):
        library.load(name)
    entry = library.entries.get(name)
    return None if entry is None else entry.version


def _measured(
    told: Done, library: Library, version: Version, live: Version | None
) -> Version | None:
    """The version that the new one was measured against, by its file: what was live then need not
    be live now.
    """
    if told.comparison is None:
        return None
    digest = told.comparison["baseline_sha256"]
    there = (live, *publishing.versions_of(library).of(version.detector))
    others = (each for each in there if each is not None and each != version)
    return next((each for each in others if each.sha256 == digest), None)


def _pair(candidate: str, baseline: str) -> dict[str, str]:
    return {"candidate": candidate, "baseline": baseline}


def _published(job: Job, told: Done, library: Library) -> Version:
    order = job.order
    for version in publishing.versions_of(library).of(order.model):
        if version.lineage.operation == job.name:
            return version
    lineage = Lineage(
        operation=job.name,
        data_set=order.data_set,
        data_sha256=told.data_sha256,
        base_model=order.base_model,
        code_version=installed("sweepnet"),
        settings=order.settings,
        capture_count=told.capture_count,
    )
    made = Path(told.path)
    metrics = _metrics(load_detector(order.kind, made).card)
    return publishing.publish(library, order.model, made, lineage, metrics)


def _metrics(card: Mapping[str, Any]) -> dict[str, Any]:
    return {name: card[name] for name in FIGURES if name in card}


def _why_not(
    job: Job,
    version: Version,
    live: Version | None,
    measured: Version | None,
    comparisons: ComparisonRecords,
) -> str:
    """Why the version must not become live; "" where nothing speaks against."""
    if job.order.promotion == "never":
        return "it was not asked for"
    if job.order.promotion == "always" or live is None or live == version:
        return ""
    if worse := comparisons.objection(version.name, live.name):
        return f"it was measured to be worse than {live.name}: {worse}"
    if measured not in (None, live):
        return (
            f"{live.name} became live while it was measured against another version; compare the "
            "two (sweepnet models compare), then promote it"
        )
    return ""
