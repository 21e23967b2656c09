"""`sweepnet models`: which detectors there are; `models show NAME`: all that is known of one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isclose
from typing import Annotated, Any

import typer

from sweepnet import Model, Network, OperatingPoint
from sweepnet.cli.connection import Json, Models, Server, connected
from sweepnet.cli.ending import clear_ending
from sweepnet.cli.output import Row, new_table, print_json, show
from sweepnet.cli.versions import add_to

MOST_LABELS = 20
app = typer.Typer(help="List the detectors.", invoke_without_command=True)
Card = Annotated[
    bool,
    typer.Option("--card", help="Print the card instead: what it learnt from, every figure."),
]


def models(
    called: typer.Context, as_json: Json = False, server: Server = None, models: Models = None
) -> None:
    """List the detectors."""
    if called.invoked_subcommand:
        return
    with connected(server, models) as client:
        found = client.models()
    if as_json:
        for model in found:
            print_json(asdict(model))
    else:
        _list(found)


def show_one(
    name: Annotated[str, typer.Argument(help="Name of a detector, such as welcome.")],
    as_json: Json = False,
    card: Card = False,
    server: Server = None,
    models: Models = None,
) -> None:
    """Show a detector: its settings, what was measured, its network layer by layer.

    With --json all of it in one line, the card included.
    """
    with connected(server, models) as client:
        model = client.model(name)
    if as_json:
        print_json(asdict(model))
    elif card:
        print(json.dumps(dict(model.card), indent=2, ensure_ascii=False))
    else:
        _show(model)


app.callback()(clear_ending(models))
app.command("show")(clear_ending(show_one, "models show"))
add_to(app)


def _list(found: tuple[Model, ...]) -> None:
    table = new_table("Name", "Kind", "Label", "Threshold", "Measured", "Size")
    for model in found:
        size = f"{model.size_bytes / 1e6:.1f} MB"
        for cells in label_rows(model):
            table.add_row(model.name, model.kind or "-", *cells, size)
    show(table)


def label_rows(model: Model) -> Iterator[tuple[str, str, str]]:
    """Label, threshold and figures of each label; of a phone trunk's many labels in one row."""
    if len(model.labels) > MOST_LABELS:
        yield f"{len(model.labels)} labels", "-", model.error or phone_errors(model.card)
        return
    for label in model.labels or ("-",):
        threshold = model.default_thresholds.get(label)
        shown = "-" if threshold is None else f"{threshold:.3f}"
        yield label, shown, model.error or figures(model, label)


def phone_errors(card: Mapping[str, Any]) -> str:
    """Phone errors on test speech as the card of a phone trunk tells them, else "-"."""
    try:
        told = card["phone_errors"].items()
        found = [each["percent"] for name, each in told if name.endswith(", test")]
        return f"phone errors {min(found):.0f} to {max(found):.0f} %" if found else "-"
    except (KeyError, TypeError, ValueError, AttributeError):
        return "-"


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
    return ", ".join(filter(None, (f"misses {point.miss_rate:.1%}", _false(point))))


def _of_card(card: Mapping[str, Any], label: str) -> str | None:
    """Figures on data that was not trained or tuned on, at the shipped threshold."""
    card = _part(card, label)
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


def _part(card: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    """The card of one label, which is a part of the card where models were joined."""
    joined = card.get("joined")
    parts = joined if isinstance(joined, list) else ()
    its = (part for part in parts if isinstance(part, Mapping) and part.get("label") == label)
    return next(its, card)


def _calibration_error(card: Mapping[str, Any], label: str) -> float | None:
    """How far scores are from probabilities; None where the card does not say."""
    try:
        told = _part(card, label)["calibration"][label]
        return float((told.get("test") or told["reliability"])["error"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _alarms(per_hour: float) -> str:
    number = f"{per_hour:.2g}"
    return f"{number} false alarm{'' if number == '1' else 's'} per hour"


def _show(model: Model) -> None:
    table = new_table("", "")
    table.show_header = False
    for name, told in _settings(model):
        table.add_row(name, told)
    show(table)
    if model.operating_points:
        _show_points(model.operating_points)
    if model.network is not None:
        _show_network(model.network)


def _settings(model: Model) -> Iterator[Row]:
    yield "name", model.name
    if model.version:
        yield "version", model.version
    yield "kind", model.kind or "-"
    for label in model.labels:
        threshold = model.default_thresholds.get(label)
        yield "label", label if threshold is None else f"{label}, from a score of {threshold:g}"
        if (told := _of_card(model.card, label)) is not None:
            yield "tested", told
        if (error := _calibration_error(model.card, label)) is not None:
            yield "scores", f"probabilities, to {error:.1%} where they were not fitted"
    if model.window_s:
        yield "window", f"{model.window_s:g} s, a new one every {model.hop_s:g} s"
    if model.rate_hz:
        yield "rate", f"{model.rate_hz:,} Hz"
    yield "file", f"{model.size_bytes / 1e6:.1f} MB, format {model.format_version}"
    if model.error:
        yield "error", model.error


def _show_points(points: Sequence[OperatingPoint]) -> None:
    table = new_table("Label", "Threshold", "Missed", "Wrongly told")
    for point in points:
        table.add_row(
            point.label, f"{point.threshold:.3f}", f"{point.miss_rate:.1%}", _false(point)
        )
    print("\nOperating points; --card tells on what data")
    show(table)


def _false(point: OperatingPoint) -> str:
    """What is told wrongly at a threshold, in words."""
    if point.false_alarms_per_hour is not None:
        return ", ".join(filter(None, (_alarms(point.false_alarms_per_hour), _behind(point))))
    if point.false_boxes_per_picture is not None:
        return f"{point.false_boxes_per_picture:.2g} false boxes per picture"
    return ""


def _behind(point: OperatingPoint) -> str:
    """How much was heard to tell the rate; nothing where the model does not say."""
    if not point.measured_hours:
        return ""
    how = "extrapolated from" if point.extrapolated else "measured on"
    return f"{how} {point.measured_hours:.2g} h"


def _show_network(network: Network) -> None:
    table = new_table("", "Layer", "Output", "Parameters", "Multiply-adds", "Sees", "Stride")
    for column in table.columns[3:5]:
        column.justify = "right"
    for layer in network.layers:
        table.add_row(
            layer.path,
            "  " * layer.depth + layer.layer,
            _times(layer.output_shape),
            _counted(layer.parameter_count),
            _counted(layer.multiply_add_count),
            _times(layer.receptive_field),
            _times(layer.stride),
        )
    print()
    show(table)
    totals = f"{network.parameter_count:,} parameters, {network.multiply_add_count:,} multiply-adds"
    print(f"{totals} for an input of {_times(network.input_shape)}")


def _counted(number: int) -> str:
    return f"{number:,}" if number else ""


def _times(sizes: tuple[float, ...]) -> str:
    """Sizes as one reads them: 56 x 56 x 64; a stride may be half an input."""
    return " x ".join(f"{size:,.0f}" if size == round(size) else f"{size:g}" for size in sizes)
