"""`sweepnet models`: which detectors there are, and what is known of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from math import isclose
from typing import Annotated, Any

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
    """What the card tells was measured, in words, else the operating point's, else "-"."""
    if (told := _of_card(model.card, label)) is not None:
        return told
    threshold = model.default_thresholds.get(label)
    at_it = (
        point
        for point in model.operating_points
        if point.label == label and threshold is not None and isclose(point.threshold, threshold)
    )
    point = next(at_it, None)
    if point is None:
        return "-"
    missed = f"misses {point.miss_rate:.1%}"
    if point.false_alarms_per_hour is not None:
        return f"{missed}, {_alarms(point.false_alarms_per_hour)}"
    if point.false_boxes_per_picture is not None:
        return f"{missed}, {point.false_boxes_per_picture:.2g} false boxes per picture"
    return missed


def _of_card(card: Mapping[str, Any], label: str) -> str | None:
    """Figures on data that was not trained or tuned on, at the shipped threshold."""
    if card.get("label", label) != label:
        return None
    try:
        if "test" in card:
            test = card["test"]
            return f"misses {test['miss_rate']:.1%}, {_alarms(test['false_alarms_per_hour'])}"
        measured = card["figures"]
        whole = next(part for part in measured["parts"] if part["name"] == "all")
        missed, false = 1 - whole["recall"], measured["false_boxes_per_negative"]
        return f"misses {missed:.1%}, {false:.2g} false boxes per picture"
    except (KeyError, TypeError, ValueError, StopIteration):
        return None


def _alarms(per_hour: float) -> str:
    number = f"{per_hour:.2g}"
    return f"{number} false alarm{'' if number == '1' else 's'} per hour"


def _show(model: Model) -> None:
    table = new_table("", "")
    table.show_header = False
    for key, value in asdict(model).items():
        if key not in ("card", "operating_points") and value not in ("", 0, 0.0):
            table.add_row(key, value if isinstance(value, str) else json.dumps(value))
    show(table)
    print(json.dumps({"card": dict(model.card)}, indent=2, ensure_ascii=False))
