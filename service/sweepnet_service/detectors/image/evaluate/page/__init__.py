"""A report of figures as one HTML file that needs nothing else: pictures within, no scripts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from cnn_core.modelfile import write_whole
from sweepnet_service.detectors.page import Markup, joined, style, table, tag

from ..outcomes import Measured
from ..report import NEAR_POINT, Part, Report, shown_figure
from .chart import precision_recall
from .sheets import sheet, worst

MOST_PICTURES, FEWEST_PICTURES = 24, 6
HOW = (
    "Boxes and scores come from the code that serves. A box is right where it overlaps a true one "
    "by an IoU of at least 0.5 and no better box has found that one.",
    "AP50, recall and precision use the completely labelled pictures; COCO AP is the mean over IoU "
    "0.5 to 0.95, as pycocotools counts it.",
    "Intervals hold 95 %, by a bootstrap over pictures, whose boxes err together.",
    "Presence AUC: how often a picture with an object scores above one without.",
)
NAMES = {
    "missed": "Most missed",
    "false": "False boxes, the surest first",
    "found": "All found, nothing else told",
}


def write_page(
    path: Path, report: Report, measured: Mapping[str, Measured], facts: Mapping[str, str]
) -> None:
    """Write the page, whole or not at all; `measured` is by label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, whole_page(report, measured, facts).encode())


def whole_page(report: Report, measured: Mapping[str, Measured], facts: Mapping[str, str]) -> str:
    """The text of the page."""
    names = [f"“{each.label}”" for each in report.each]
    title = f"How well {', '.join(names)} {'is' if len(names) == 1 else 'are'} found in pictures"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", _style()),
    )
    body = tag(
        "main",
        tag("h1", title),
        tag("p", _lede(report), class_="lede"),
        _tiles(report),
        tag("h2", "Precision over recall"),
        *(part for each in report.each for part in _curve(each, measured[each.label])),
        tag("h2", "By label and by size" if report.labels else "By source and by size"),
        _parts(report),
        _sizes(report),
        *(part for each in report.each for part in _sheets(each, report, measured[each.label])),
    )
    page = tag("html", head, tag("body", body, _footer(facts)), lang="en")
    return f"<!doctype html>\n{page}\n"


def _curve(report: Report, measured: Measured) -> list[Markup]:
    threshold = report.threshold or 0.0
    words = f"{report.label}: the mark is at the threshold in force, {threshold:.3f}."
    curve = precision_recall(measured.complete, threshold, f"Precision over recall, {report.label}")
    return [curve, tag("p", words, class_="note")]


def _style() -> Markup:
    """The style of all reports, and of contact sheets."""
    own = files(__package__).joinpath("sheet.css").read_text(encoding="utf-8")
    return Markup(style() + own)


def _lede(report: Report) -> str:
    whole = report.parts[0]
    return (
        f"{whole.pictures} completely labelled pictures of “{report.split}” with {whole.boxes} "
        f"objects, and {report.negatives} without, at {report.size_px} px."
    )


def _tiles(report: Report) -> Markup:
    whole = report.parts[0]
    told = [
        _tile("AP50", whole.ap50, report, "ap50"),
        _tile("COCO AP", report.coco_ap, report, None),
        _tile("recall", whole.recall, report, "recall"),
        _tile("precision", whole.precision, report, "precision"),
    ]
    if report.negatives:
        rate = report.false_boxes_per_negative
        name = "false_boxes_per_negative"
        told.append(_tile("false boxes a picture without", rate, report, name))
        told.append(_tile("presence AUC", whole.presence_auc, report, "presence_auc"))
    if report.cuts is not None:
        more = f"{report.cuts.pairs} cuts with an object, as many beside it"
        told.append(_boxed("presence AUC of cuts", f"{report.cuts.auc:.3f}", more))
    if report.points_near is not None:
        more = f"within {NEAR_POINT:.0%} of the object's longer side"
        told.append(_boxed("key points found", f"{report.points_near:.3f}", more))
    return tag("dl", *told, class_="tiles")


def _tile(name: str, value: float, report: Report, interval: str | None) -> Markup:
    low, high = report.intervals.get(interval or "", (None, None))
    more = "" if low is None else f"{low:.3f} to {high:.3f}"
    return _boxed(name, shown_figure(value), more)


def _boxed(name: str, figure: str, more: str) -> Markup:
    big, small = tag("dd", figure, class_="big"), tag("dd", more, class_="range")
    return tag("div", tag("dt", name), big, small)


def _parts(report: Report) -> Markup:
    head = ["part", "pictures", "objects", "AP50", "with negatives", "recall", "precision", "AUC"]
    rows = [[part.name, *_numbers(part)] for part in report.parts]
    return table("At the threshold in force", head, rows, frozenset(range(1, len(head))))


def _numbers(part: Part) -> list[str]:
    shares = (
        part.ap50, part.ap50_with_negatives, part.recall, part.precision, part.presence_auc
    )  # fmt: skip
    return [str(part.pictures), str(part.boxes), *map(shown_figure, shares)]


def _sizes(report: Report) -> Markup:
    rows = [
        [f"{each.low:.0%} to {each.high:.0%}", str(each.boxes), f"{each.recall:.3f}"]
        for each in report.sizes
    ]
    head = ["side of the object in its picture", "objects", "recall"]
    return table("Recall by size", head, rows, frozenset({1, 2}))


def _sheets(report: Report, whole: Report, measured: Measured) -> list[Markup]:
    """Contact sheets of one label, those with something on them."""
    pairs, threshold = [*measured.labelled, *measured.empty], report.threshold or 0.0
    chosen = worst(pairs, threshold, max(FEWEST_PICTURES, MOST_PICTURES // len(whole.each)))
    of = f", {report.label}" if whole.labels else ""
    key = tag(
        "p",
        tag("b", "found", style="border-color: #3cdc5a"), " ",
        tag("b", "false", style="border-color: #eb3c3c"), " ",
        tag("b", "missed", style="border-color: #ffc800"),
        " and, last, the score that the picture holds any.",
        class_="note key",
    )  # fmt: skip
    drawn = []
    for name, some in chosen.items():
        if some:
            drawn += [tag("h2", NAMES[name] + of), key, sheet(some, threshold)]
    return drawn


def _footer(facts: Mapping[str, str]) -> Markup:
    told = [joined(tag("dt", name), tag("dd", value)) for name, value in facts.items()]
    remarks = tag("ul", *(tag("li", text) for text in HOW))
    return tag("footer", tag("h2", "How this was measured"), tag("dl", *told), remarks)
