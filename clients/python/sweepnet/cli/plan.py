"""Which detectors score an archive, and with which thresholds: each for its kind of file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import typer

from sweepnet import Model
from sweepnet._sources import SourceKind
from sweepnet.cli.connection import Wanted
from sweepnet.options import DetectOptions, SpotOptions

KINDS: Mapping[str, SourceKind] = {"keyword": "audio", "image": "picture"}


@dataclass(frozen=True)
class Plan:
    """Options by kind of file; `kind` where only one can be meant."""

    kind: SourceKind | None
    spot: SpotOptions
    detect: DetectOptions


def planned(
    models: Sequence[Model],
    asked: Mapping[str, Model],
    wanted: Wanted,
    only: SourceKind | None,
) -> Plan:
    """Detectors, of `models` or those asked for, and thresholds, each for its kind of file;
    raises BadParameter for a threshold of a label that no detector in use has.
    """
    there = {m.name: m for m in models if m.kind in KINDS and not m.error}
    used = [
        (name, model, _heard_or_seen(model))
        for name, model in (asked or there).items()
        if only in (None, _heard_or_seen(model))
    ]
    _check_labels(wanted, {label for _, model, _ in used for label in model.labels})
    options = {
        kind: {
            "detectors": [name for name, _, its in used if asked and its == kind],
            "thresholds": _thresholds([model for _, model, its in used if its == kind], wanted),
        }
        for kind in KINDS.values()
    }
    kinds = {kind for _, _, kind in used}
    return Plan(
        only or (kinds.pop() if asked and len(kinds) == 1 else None),
        cast("SpotOptions", options["audio"]),
        cast("DetectOptions", options["picture"]),
    )


def _heard_or_seen(model: Model) -> SourceKind:
    """What a model scores; those of phones hear."""
    return KINDS.get(model.kind, "audio")


def _thresholds(models: Sequence[Model], wanted: Wanted) -> dict[str, float]:
    labels = [label for model in models for label in model.labels]
    every = {} if wanted.every is None else dict.fromkeys(labels, wanted.every)
    return every | {label: x for label, x in wanted.of_label.items() if label in labels}


def _check_labels(wanted: Wanted, labels: set[str]) -> None:
    unknown = sorted(set(wanted.of_label) - labels)
    if unknown:
        raise typer.BadParameter(
            f"no label named {unknown[0]!r}; labels: {', '.join(sorted(labels))}",
            param_hint="--threshold",
        )
