"""What it brings to begin with the flower detector: other objects, learnt from its weights and from
chance, with the same budget."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from lessons import Budget, base, made

from sweepnet_service.detectors.image.config import TrainConfig
from sweepnet_service.detectors.image.evaluate import evaluate
from sweepnet_service.store.entries import SHIPPED

Row = dict[str, object]
TITLE = "other objects learnt from chance and from the flower detector"
SETS = ("bccd", "cards", "raccoon")
STARTS = {"chance": None, "flower": SHIPPED / "flower.safetensors"}


def rows(chosen: argparse.Namespace) -> tuple[list[Row], Row]:
    """Two rows for each set of pictures, and what the start brings on average."""
    found = [_row(name, start, chosen) for name in chosen.set or SETS for start in STARTS]
    apart = [
        float(str(with_it["ap50"])) - float(str(without["ap50"]))
        for without, with_it in zip(found[::2], found[1::2], strict=True)
    ]
    return found, {"mean_gain_ap50": round(sum(apart) / len(apart), 3)}


def config_of(name: str, start: str, data: Path, work: Path, budget: Budget) -> TrainConfig:
    """The training of a set of pictures from a start."""
    settings = base(data / name, work, f"{name}_from_{start}", budget)
    outline = "corners" if name == "cards" else "ellipse"
    return replace(settings, augmentation=replace(settings.augmentation, outline=outline))


def _row(name: str, start: str, chosen: argparse.Namespace) -> Row:
    budget = Budget(chosen.pictures, chosen.size, STARTS[start])
    config = config_of(name, start, chosen.data, chosen.work, budget)
    report = evaluate(made(config), config.data)
    low, high = report.intervals["ap50"]
    worst = min(report.each, key=lambda each: each.parts[0].ap50)
    return {
        "set": name,
        "start": start,
        "labels": len(report.each),
        "boxes": report.parts[0].boxes,
        "ap50": round(report.parts[0].ap50, 3),
        "from": round(low, 3),
        "to": round(high, 3),
        "coco_ap": round(report.coco_ap, 3),
        "worst": f"{worst.label} {worst.parts[0].ap50:.3f}",
    }


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it may be told."""
    parser.add_argument("--set", action="append", choices=SETS, help="again for each; default all")
    parser.add_argument("--pictures", type=int, default=14_000, help="budget of each training")
    parser.add_argument("--size", type=int, default=256, help="side of the input, pixels")
