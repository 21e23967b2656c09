"""The model's card: what it learned from, how, and what it reaches; as plain data and Markdown."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from cnn_core.tree import count_weights

from .batches import Material, material
from .config import TrainConfig
from .dataset import MANIFEST, Entry
from .detector import ImageDetector
from .evaluate import Report
from .evaluate.measure import MOST_FALSE
from .evaluate.report import NEAR_POINT
from .fit import settings
from .layout import POINTS, PRESENCE, TURNED


def card_of(detector: ImageDetector, config: TrainConfig, report: Report | None) -> dict[str, Any]:
    """The card as JSON data."""
    used = material(config)
    return {
        "label": ", ".join(detector.labels),
        "task": _task(detector),
        "parameters": count_weights(detector.net),
        **looking(detector, used, report),
        "data": _data(used, config),
        "training": settings(config, used.layout) | {"steps": config.steps},
    }


def looking(detector: ImageDetector, used: Material, report: Report | None) -> dict[str, Any]:
    """What of the card hangs on how the detector looks and decides, not on its weights alone."""
    one = detector.labels[0] if len(detector.labels) == 1 else None
    return {
        "input": _input(detector),
        "presence": _presence(detector),
        "threshold": detector.default_thresholds[one] if one else detector.default_thresholds,
        "threshold_chosen": _chosen(used, detector.shape),
        "operating_points": [
            ({} if one else {"label": label}) | vars(point)
            for label in detector.labels
            for point in detector.operating_points[label]
        ],
        "figures": None if report is None else _finite(report.to_dict()),
    }


def _input(detector: ImageDetector) -> str:
    sizes = ", then to ".join(f"{side} x {side} px" for side in detector.sizes_px)
    told = f"RGB, letterboxed to {sizes} on grey"
    if detector.mirrored:
        told += "; each in a mirror too, of which the answers are the mean"
    if detector.fused and detector.more_sizes_px:
        told += "; the boxes of both sizes" if len(detector.sizes_px) == 2 else "; boxes of all"
        told += " are merged by their mean, weighted by score"
    if detector.voters > 1 and detector.shape != PRESENCE:
        told += f"; at each size up to {detector.voters} neighbouring places vote on a box"
    return told


def _task(detector: ImageDetector) -> str:
    *rest, last = detector.labels
    each = f"{', '.join(rest)} or {last}" if rest else last
    if detector.shape == PRESENCE:
        return f"whether there is any {each} in a picture, not where"
    what = {TURNED: "turned boxes", POINTS: "boxes and key points"}.get(detector.shape, "boxes")
    on = "of" if detector.shape == POINTS else "round"
    return f"{what} {on} every {each} in a picture, and whether there is one at all"


def _presence(detector: ImageDetector) -> str:
    how = "the largest score of all positions on the picture"
    if detector.voters > 1:
        how = f"the mean of the {detector.voters} largest scores of all positions on the picture"
    if detector.shape == PRESENCE:
        how = "the softmax-weighted mean of the log odds of all positions on the picture"
    return how + (", the mean over these sizes" if detector.more_sizes_px else "")


def _chosen(used: Material, shape: str) -> str:
    objects = [entry for entry in used.aside if len(entry.boxes)]
    if not objects:
        return "as none of the training pictures with an object was kept aside to choose it by"
    boxes, empty = sum(len(entry.boxes) for entry in objects), len(used.aside) - len(objects)
    few = f", and at most {MOST_FALSE} boxes in each of these and of parts without any"
    few = few if used.few_false and empty and shape != PRESENCE else ""
    return (
        f"best F1 on training pictures kept aside by a hash of their names, {len(objects)} with "
        f"{boxes} boxes, {empty} without{few}; not on the validation pictures"
    )


def _data(used: Material, config: TrainConfig) -> dict[str, Any]:
    learn, there = used.learn, {row["source_repo"] for row in _manifest(config.data)}
    return {
        "pictures_complete": sum(1 for e in learn if len(e.boxes) and e.complete),
        "pictures_incomplete": sum(1 for e in learn if not e.complete),
        "pictures_without_objects": sum(1 for e in learn if not len(e.boxes) and e.complete),
        "boxes": sum(len(e.boxes) for e in learn),
        "sources": _sources(learn, config),
        "left_out": [each for each in config.leave_out_sources if each in there],
    }


def _sources(entries: Sequence[Entry], config: TrainConfig) -> list[dict[str, Any]]:
    """Pictures by repository and licence as the manifest states them."""
    licences = {row["file"]: row.get("licence") or "" for row in _manifest(config.data)}
    if not licences:
        return []
    counts = Counter(
        (entry.source, licences.get(entry.path.relative_to(config.data).as_posix(), ""))
        for entry in entries
    )
    return [
        {"source": source, "licence": licence, "pictures": count}
        for (source, licence), count in sorted(counts.items())
    ]


def _manifest(data: Path) -> list[dict[str, str]]:
    """Where each file comes from, none where nobody says so."""
    manifest = data / MANIFEST
    if not manifest.exists():
        return []
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _finite(value: Any) -> Any:
    """The same data with None for NaN, which JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def markdown(name: str, card: Mapping[str, Any]) -> str:
    """The card for people."""
    parts = [
        _heading(name, card),
        _figures(card["figures"], name),
        _points(card["operating_points"]),
        _learned(card["data"]),
        _training(card["training"]),
        _limits(card["label"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(name: str, card: Mapping[str, Any]) -> str:
    return "\n".join(
        (
            f"# {name}: {card['task']}",
            "",
            f"{card['parameters']:,} parameters. Input: {card['input']}.",
            f"Presence score: {card['presence']}.",
            f"Threshold: {_threshold(card['threshold'])}, {card['threshold_chosen']}.",
        )
    )


def _threshold(chosen: float | Mapping[str, float]) -> str:
    if isinstance(chosen, Mapping):
        return ", ".join(f"{label} {each}" for label, each in chosen.items())
    return str(chosen)


def _figures(figures: Mapping[str, Any] | None, name: str) -> str:
    if figures is None:
        return ""
    rows = [
        [
            part["name"], part["pictures"], part["boxes"],
            *(_shown(part[key]) for key in (
                "ap50", "ap50_with_negatives", "recall", "precision", "presence_auc"
            )),
        ]
        for part in figures["parts"]
    ]  # fmt: skip
    head = ["part", "pictures", "boxes", "AP50", "AP50 with negatives' boxes"]
    head += ["recall", "precision", "presence AUC"]
    return "\n".join(
        (
            f"## Figures on `{figures['split']}` at {figures['size_px']} px",
            "",
            _table(head, rows),
            "",
            f"Recall and precision at the threshold; {figures['negatives']} pictures without "
            f"objects get {_shown(figures['false_boxes_per_negative'])} boxes each "
            f"({figures['negatives_with_boxes']:.1%} get any).",
            "AP50, recall and precision use the completely labelled pictures.",
            *_more(figures),
            f"Again: `sweepnet evaluate image --model {name} --data DATA`.",
        )
    )


def _more(figures: Mapping[str, Any]) -> list[str]:
    """What cards of earlier trainings did not state."""
    if "coco_ap" not in figures:
        return []
    (low, high), sizes = figures["intervals"]["ap50"], figures["sizes"]
    told = [
        f"COCO AP (IoU 0.5 to 0.95): {_shown(figures['coco_ap'])}; AP50 lies between {_shown(low)} "
        f"and {_shown(high)} (95 %, bootstrap over pictures).",
        "Recall by the object's side in its picture: "
        + ", ".join(f"{s['low']:.0%} to {s['high']:.0%} {_shown(s['recall'])}" for s in sizes)
        + ".",
    ]
    cuts = figures["cuts"]
    if cuts is not None:
        told.append(
            f"Presence AUC of {cuts['pairs']} cuts of these pictures with an object against cuts "
            f"of the same sizes without: {_shown(cuts['auc'])}."
        )
    if figures.get("points_near") is not None:
        told.append(
            f"Key points of found objects within {NEAR_POINT:.0%} of the object's longer side: "
            f"{_shown(figures['points_near'])}."
        )
    return told


def _points(points: Sequence[Mapping[str, Any]]) -> str:
    if not points:
        return ""
    keys = ("threshold", "false_boxes_per_picture", "miss_rate")
    rows = [[_shown(point[key]) for key in keys] for point in points]
    head = ["threshold", "false boxes per picture without objects", "boxes missed"]
    if "label" in points[0]:
        head = ["label", *head]
        rows = [[point["label"], *row] for point, row in zip(points, rows, strict=True)]
    return "## Operating points, on the pictures kept aside\n\n" + _table(head, rows)


def _learned(data: Mapping[str, Any]) -> str:
    lines = [
        "## What it learned from",
        "",
        f"{data['pictures_complete']} completely and {data['pictures_incomplete']} incompletely "
        f"labelled pictures with {data['boxes']} boxes, "
        f"{data['pictures_without_objects']} without objects.",
    ]
    if data["sources"]:
        rows = [[s["source"], s["pictures"], s["licence"]] for s in data["sources"]]
        lines += ["", _table(["source", "pictures", "licence as stated"], rows)]
    if data["left_out"]:
        lines += ["", f"Left out, licence unstated or doubtful: {', '.join(data['left_out'])}."]
    return "\n".join(lines)


def _training(training: Mapping[str, Any]) -> str:
    return "\n".join(
        (
            "## Training",
            "",
            *_runs(training),
            "",
            "On the project's own NumPy core: AdamW with a cosine schedule; varifocal score, "
            f"generalised IoU{_of_points(training)} and (in training only) species losses.",
            "All settings are in the model file's description under `card.training`.",
        )
    )


def _of_points(training: Mapping[str, Any]) -> str:
    """The losses of what is told besides the box."""
    shape = training.get("layout", {}).get("shape")
    return {TURNED: ", probabilistic IoU, corners", POINTS: ", points"}.get(shape, "")


def _runs(training: Mapping[str, Any]) -> list[str]:
    """A line for each training, the earliest first."""
    phases = ", ".join(f"{p['size_px']} px to {p['until']:.0%}" for p in training["phases"])
    earlier = training.get("started_from") or {}
    return [
        *(_runs(earlier) if "phases" in earlier else []),
        f"- {'then ' if earlier else ''}{training['pictures']:,} augmented pictures in batches of "
        f"{training['batch']} ({phases}), seed {training['seed']}, peak rate {training['rate']}, "
        f"weight decay {training['weight_decay']}, few incomplete photos from "
        f"{training['late_from']:.0%}; weights averaged with {training['average_decay']}"
        + _taught(training),
    ]


def _taught(training: Mapping[str, Any]) -> str:
    """Who labelled what the incomplete photos left out."""
    if "taught_by" not in training:
        return ""
    return (
        f"; objects without a box in incomplete photos labelled by the model file of SHA-256 "
        f"{training['taught_by']}... where it was sure ({training['sure']}), ignored where it "
        f"doubted ({training['doubtful']})"
    )


SEEN = {
    "flower": (
        "Looked at by eye on `val`, the first model missed most flowers smaller than a fifth of "
        "the picture's longer side and most of those in rows, bunches and beds, roses more than "
        "others; of large single ones it missed some in black and white, seen from the side, "
        "filling the frame, or gone to seed.\n"
        "Its boxes in pictures without flowers lay on round or clustered things (melons, bananas) "
        "and, twice, on the one large thing of a picture (a garment, a cat)."
    )
}


def _limits(label: str) -> str:
    return "\n".join(
        (
            "## Limits",
            "",
            "One training, not repeated with other seeds.",
            *([SEEN[label]] if label in SEEN else []),
            "Scores order boxes; they are the expected overlap, not calibrated probabilities.",
        )
    )


def _shown(number: float | None) -> str:
    return "-" if number is None else f"{number:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
