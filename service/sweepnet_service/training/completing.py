"""From a finished training to a version: published once, promoted unless it was found worse."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from sweepnet_service.records.comparisons import ComparisonRecords
from sweepnet_service.store import LIVE, Library, Lineage, Version, publishing
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
    versions = publishing.versions_of(library)
    live = versions.named_by(version.detector, LIVE)
    comparison = None
    if told.comparison is not None and live is not None and live != version:
        comparisons.add(version.name, live.name, told.comparison)
        comparison = {**told.comparison, **_pair(version.name, live.name)}
    why_not = _why_not(job, version, live, library, comparisons)
    return {
        "version": version.name,
        "promoted": not why_not,
        "not_promoted_because": why_not,
        "comparison": comparison,
        "remark": told.remark,
    }


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
    library: Library,
    comparisons: ComparisonRecords,
) -> str:
    """Makes the version live, or tells why it is not."""
    wanted = job.order.promotion
    if wanted == "never":
        return "it was not asked for"
    worse = comparisons.objection(version.name, live.name) if live else ""
    if worse and wanted != "always":
        return f"it was measured to be worse than {live.name if live else ''}: {worse}"
    publishing.promote(library, version.name, force=True)
    return ""
