"""How an image detector had best look: sizes, mirror, merging and voters on pictures that its
training has not learnt from and that are not `val`. Prints a table; the last line is JSON.

Such pictures are few and their objects often large, so walls of them join the single ones: rows of
pictures with objects and without, as large as one, weighted until the objects have the sizes that
those of the training pictures have. The rule, fixed before `val` is looked at: the highest mean of
AP50, boxes in pictures without objects counted, and recall at 0.05 boxes in each of these; of
those within 0.005 of it the one that takes least time.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

from cnn_core.arrays import Array
from sweepnet_service.commands.places import model_file
from sweepnet_service.detectors.image import DetectOptions, ImageDetector
from sweepnet_service.detectors.image.batches import material
from sweepnet_service.detectors.image.dataset import Entry, load
from sweepnet_service.detectors.image.evaluate.outcomes import LOWEST_SCORE, edges
from sweepnet_service.detectors.image.evaluate.sizes import EDGES
from sweepnet_service.detectors.image.figures import Outcome, judge, presence_auc, threshold_for
from sweepnet_service.detectors.image.network import TOTAL_STRIDE_PX
from sweepnet_service.detectors.image.pixels import Picture, Pixels
from sweepnet_service.detectors.image.retune import RetuneConfig, trained_as

Shown = tuple[Pixels, Array]
"""A picture with its boxes (n, 4)."""

WALLS = ((2, 2), (3, 4), (5, 12))
"""Rows of as many pictures, and how many of them all show objects."""
MOST_FALSE = 0.05
NEAR = 0.005


@dataclass(frozen=True)
class Group:
    """Pictures of one kind, and how much each counts."""

    shown: Sequence[Shown]
    weight: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("SWEEPNET_DATA", "../shared/data")) / "images"
    parser.add_argument("model", nargs="?", default="flower", help="name or file")
    parser.add_argument("--data", type=Path, default=data, help="what the model learnt from")
    parser.add_argument(
        "--sizes", type=int, nargs="+", action="append", help="sides in px of one candidate"
    )
    parser.add_argument("--voters", type=int, nargs="+", default=[1, 3])
    chosen = parser.parse_args()
    given = ImageDetector.load(model_file(chosen.model, None))
    groups = unseen(given, chosen.data)
    rows = [
        measured(given, sizes, voters, groups)
        for sizes in chosen.sizes or around(given.size_px)
        for voters in chosen.voters
    ]
    best = max(merit(row) for row in rows)
    winner = min((r for r in rows if merit(r) >= best - NEAR), key=lambda r: float(r["ms"]))
    table = Table(*rows[0], title="looks, each in a mirror too and merged", box=None)
    for row in rows:
        table.add_row(*map(str, row.values()), style="bold" if row is winner else "")
    Console(width=140).print(table)
    print(json.dumps({"rows": rows, "best": winner}))


def around(size_px: int) -> list[list[int]]:
    """Candidates: one size, two and three of them, finer ones."""
    shares = ((1.0,), (1.0, 0.6), (1.0, 0.8, 0.6), (1.4, 0.6))
    return [[whole(size_px * share) for share in each] for each in shares]


def whole(side_px: float) -> int:
    return round(side_px / TOTAL_STRIDE_PX) * TOTAL_STRIDE_PX


def merit(row: dict[str, object]) -> float:
    return (float(str(row["AP50"])) + float(str(row["recall"]))) / 2


def unseen(detector: ImageDetector, data: Path) -> list[Group]:
    """Single pictures, walls of them, and pictures without objects."""
    trained = trained_as(detector, RetuneConfig(Path(), Path("looks.safetensors"), data))
    used, every = material(trained), material(replace(trained, leave_out_sources=()))
    learnt = {entry.path for entry in used.learn}
    complete = [entry for entry in (*every.learn, *every.aside) if entry.complete]
    photos = [shown(entry) for entry in complete if entry.path not in learnt]
    full, empty = [p for p in photos if len(p[1])], [p for p in photos if not len(p[1])]
    if not full or not empty:
        raise SystemExit(
            f"{data}: got {len(full)} complete pictures with objects and {len(empty)} without that "
            "the training has not learnt from; expected some of each (train with --aside-share 0.2)"
        )
    rng = np.random.default_rng(0)
    longest = round(float(np.median([max(pixels.shape[:2]) for pixels, _ in full])))
    kinds = [full, *(walls(rng, full, empty, *each, longest) for each in WALLS)]
    target = histogram(shown(entry) for entry in complete if len(entry.boxes))
    counts = np.stack([histogram(kind) for kind in kinds], axis=1)
    weights = nnls(counts / counts.sum(), target / target.sum())[0]
    groups = [Group(kind, float(w)) for kind, w in zip(kinds, weights, strict=True)]
    boxes = sum(group.weight * counts[:, at].sum() for at, group in enumerate(groups))
    share = sum(not len(e.boxes) for e in complete) / sum(len(e.boxes) for e in complete)
    return [*groups, Group(empty, float(share * boxes / max(1, len(empty))))]


def shown(entry: Entry) -> Shown:
    photo = load(entry)
    return photo.pixels, photo.boxes.astype(np.float64)


def histogram(pictures: Iterable[Shown]) -> Array:
    """How many objects have which share of their picture's longer side."""
    sides = [
        np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)) / max(pixels.shape[:2])
        for pixels, boxes in pictures
    ]
    return np.histogram(np.concatenate([np.zeros(0), *sides]), EDGES)[0].astype(np.float64)


def walls(
    rng: np.random.Generator, full: Sequence[Shown], empty: Sequence[Shown], rows: int, those: int,
    longest_px: int,
) -> list[Shown]:  # fmt: skip
    """Walls that show each picture with objects once, and others by chance."""
    order, made = rng.permutation(len(full)), []
    for at in range(0, len(full) - those + 1, those):
        others = rng.choice(len(empty), rows * rows - those, replace=len(empty) < rows * rows)
        cells = [*(full[i] for i in order[at : at + those]), *(empty[i] for i in others)]
        mixed = [cells[i] for i in rng.permutation(len(cells))]
        lines = [mixed[start : start + rows] for start in range(0, len(mixed), rows)]
        made.append(wall(lines, longest_px))
    return made


def wall(lines: Sequence[Sequence[Shown]], longest_px: int, width_px: int = 1200) -> Shown:
    """Rows of whole pictures, each row as high as its pictures fill the width, made small."""
    parts, boxes, top = [], [], 0
    for line in lines:
        shapes = np.array([pixels.shape[1] / pixels.shape[0] for pixels, _ in line])
        high = max(1, round(width_px / shapes.sum()))
        starts = np.rint(np.append(0, shapes.cumsum() / shapes.sum()) * width_px).astype(int)
        placed = [
            resized(each, end - start, high)
            for each, start, end in zip(line, starts[:-1], starts[1:], strict=True)
        ]
        parts.append(np.concatenate([pixels for pixels, _ in placed], axis=1))
        boxes += [b + np.array([x, top, x, top]) for (_, b), x in zip(placed, starts, strict=False)]
        top += high
    scale = longest_px / max(width_px, top)
    together = np.concatenate(parts), np.concatenate(boxes)
    return resized(together, max(1, round(width_px * scale)), max(1, round(top * scale)))


def resized(given: Shown, wide: int, high: int) -> Shown:
    pixels, boxes = given
    made = Image.fromarray(pixels).resize((wide, high), Image.Resampling.LANCZOS)
    return np.asarray(made), boxes * ([wide / pixels.shape[1], high / pixels.shape[0]] * 2)


def measured(
    given: ImageDetector, sizes: Sequence[int], voters: int, groups: Sequence[Group]
) -> dict[str, object]:
    """One row of the table."""
    detector = replace(
        given, size_px=sizes[0], more_sizes_px=tuple(sizes[1:]), mirrored=True, fused=True,
        voters=voters,
    )  # fmt: skip
    start = time.process_time()
    judged = [[outcome(detector, each) for each in group.shown] for group in groups]
    took = time.process_time() - start
    false, weights = judged[-1], [group.weight for group in groups]
    threshold = threshold_for(false, MOST_FALSE)
    ap50, recall = weighted(judged, weights, threshold)
    return {
        "sizes": "+".join(map(str, sizes)),
        "voters": voters,
        "AP50": round(ap50, 3),
        "recall": round(recall, 3),
        "threshold": round(threshold, 3),
        "AUC": round(presence_auc(judged[0], false), 4),
        "ms": round(1000 * took / sum(map(len, judged)), 1),
    }


def outcome(detector: ImageDetector, given: Shown) -> Outcome:
    pixels, boxes = given
    picture = Picture(np.ascontiguousarray(pixels), pixels.shape[1], pixels.shape[0])
    low = dict.fromkeys(detector.labels, LOWEST_SCORE)
    seen = detector.detect(picture, DetectOptions(low))
    scores = np.array([box.score for box in seen.boxes])
    return judge(scores, edges(seen.boxes), boxes, max(seen.scores.values()))


def weighted(
    judged: Sequence[Sequence[Outcome]], weights: Sequence[float], threshold: float
) -> tuple[float, float]:
    """AP50 and the recall at a threshold, pictures counted by the weight of their group."""
    rows = [
        (o.scores, o.right, np.full(len(o.scores), w))
        for group, w in zip(judged, weights, strict=True)
        for o in group
    ]
    scores, right, each = (np.concatenate(part) for part in zip(*rows, strict=True))
    true = sum(w * o.true_count for group, w in zip(judged, weights, strict=True) for o in group)
    order = np.argsort(-scores, kind="stable")
    hits, told = np.cumsum((each * right)[order]), np.cumsum(each[order])
    falling = np.maximum.accumulate((hits / told)[::-1])[::-1]
    ap50 = float((falling * (each * right)[order]).sum() / true)
    return ap50, float((each * right)[scores >= threshold].sum() / true)


if __name__ == "__main__":
    main()
