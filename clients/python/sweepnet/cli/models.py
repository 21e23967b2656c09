"""`sweepnet models`: which detectors there are, and what is known of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from sweepnet import Model
from sweepnet.cli.connection import Json, Models, Server, connected
from sweepnet.cli.output import new_table, print_json, show


def models(
    name: Annotated[str | None, typer.Argument(help="Tell everything about this one.")] = None,
    as_json: Json = False,
    server: Server = None,
    models: Models = None,
) -> None:
    """List the detectors, or show one with its card."""
    with connected(server, models) as client:
        found = client.models() if name is None else (client.model(name),)
    if as_json:
        for model in found:
            print_json(asdict(model))
    elif name is None:
        _list(found)
    else:
        _show(found[0])


def _list(found: tuple[Model, ...]) -> None:
    table = new_table("Name", "Kind", "Label", "Threshold", "Measured", "Size")
    for model in found:
        size = f"{model.size_bytes / 1e6:.1f} MB"
        for label in model.labels or ("-",):
            threshold = model.default_thresholds.get(label)
            shown = "-" if threshold is None else f"{threshold:.3f}"
            told = model.error or figures(model, label)
            table.add_row(model.name, model.kind or "-", label, shown, told, size)
    show(table)


def figures(model: Model, label: str) -> str:
    """What was measured nearest to the label's threshold, in words."""
    threshold = model.default_thresholds.get(label, 0.0)
    points = [point for point in model.operating_points if point.label == label]
    if not points:
        return "-"
    point = min(points, key=lambda point: abs(point.threshold - threshold))
    missed = f"at {point.threshold:.3f}: misses {point.miss_rate:.1%}"
    if point.false_alarms_per_hour is not None:
        return f"{missed}, {point.false_alarms_per_hour:.2g} false alarms per hour"
    if point.false_boxes_per_picture is not None:
        return f"{missed}, {point.false_boxes_per_picture:.2g} false boxes per picture"
    return missed


def _show(model: Model) -> None:
    table = new_table("", "")
    table.show_header = False
    for key, value in asdict(model).items():
        if key not in ("card", "operating_points") and value not in ("", 0, 0.0):
            table.add_row(key, value if isinstance(value, str) else json.dumps(value))
    show(table)
    print(json.dumps({"card": dict(model.card)}, indent=2, ensure_ascii=False))
