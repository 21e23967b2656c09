"""Measure a detector on labelled pictures with the code that is deployed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress
from sweepnet_service.progress import Report as Tell

from ..dataset import Entry, cut_to, read_listing, read_listing_if_any
from ..detector import ImageDetector
from ..figures import (
    Outcome,
    average_precision,
    best_threshold,
    boxes_per_picture,
    judge,
    precision,
    presence_auc,
    recall,
    share_with_boxes,
    threshold_for,
)
from ..results import DetectOptions, OperatingPoint
from .coco import coco_average_precision
from .cuts import Cuts, cuts_of
from .intervals import intervals
from .sizes import SizeRecall, recall_by_size

# Boxes below it change no figure that is reported, but would cost time.
LOWEST_SCORE = 0.02
FALSE_BOXES_PER_PICTURE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True)
class Part:
    """Figures of all pictures, or of those from one source, at the threshold in force.

    AP50, recall and precision: completely labelled pictures only. `ap50_with_negatives` counts
    the boxes found in pictures without objects as false too.
    """

    name: str
    pictures: int
    boxes: int
    ap50: float
    ap50_with_negatives: float
    recall: float
    precision: float
    presence_auc: float


@dataclass(frozen=True)
class Report:
    """What an evaluation found."""

    split: str
    size_px: int
    threshold: float
    negatives: int
    false_boxes_per_negative: float
    negatives_with_boxes: float
    parts: tuple[Part, ...]
    coco_ap: float
    sizes: tuple[SizeRecall, ...]
    intervals: dict[str, tuple[float, float]]
    cuts: Cuts | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """A readable table."""
        low, high = self.intervals["ap50"]
        ap = f"COCO AP {self.coco_ap:.3f}; AP50 of all lies between {low:.3f} and {high:.3f}"
        head = f"{self.split} at {self.size_px} px, threshold {self.threshold:.3f}"
        false = (
            f"negatives: {self.negatives} pictures, {self.false_boxes_per_negative:.3f} boxes "
            f"each, {self.negatives_with_boxes:.1%} with any"
        )
        title = f"{'part':<38}{'pictures':>9}{'boxes':>7}{'AP50':>8}{'+neg':>8}"
        title += f"{'recall':>8}{'prec.':>8}{'AUC':>8}"
        sizes = [
            f"recall of sides {each.low:.0%} to {each.high:.0%} of the picture: "
            f"{each.recall:.3f} of {each.boxes}"
            for each in self.sizes
        ]
        return [head, false, title, *map(_row, self.parts), ap, *sizes]


def _row(part: Part) -> str:
    numbers = (
        part.ap50, part.ap50_with_negatives, part.recall, part.precision, part.presence_auc
    )  # fmt: skip
    shown = "".join(f"{number:8.3f}" for number in numbers)
    return f"{part.name:<38}{part.pictures:>9}{part.boxes:>7}{shown}"


@dataclass(frozen=True, eq=False)
class Measured:
    """What a detector made of each labelled picture, and of each without objects."""

    labelled: tuple[tuple[Entry, Outcome], ...]
    empty: tuple[tuple[Entry, Outcome], ...]

    @property
    def complete(self) -> list[Outcome]:
        """Of the completely labelled pictures."""
        return [outcome for entry, outcome in self.labelled if entry.complete]

    @property
    def present(self) -> list[Outcome]:
        """Of the pictures with objects."""
        return with_objects(self.labelled)

    @property
    def false(self) -> list[Outcome]:
        """Of the pictures without objects, in a folder of their own or among the labelled."""
        among = [outcome for outcome in self.complete if not outcome.true_count]
        return [*among, *(outcome for _, outcome in self.empty)]


def evaluate(
    detector: ImageDetector,
    data: Path,
    *,
    split: str = "val",
    objects: str = "flowers",
    negatives: str = "negatives",
    progress: Tell = lambda _: None,
) -> Report:
    """The figures of a detector on `data/<objects>/<split>` and `data/<negatives>/<split>`."""
    measured = measure(detector, data, split, objects, negatives, progress)
    return report_on(detector, measured, split)


def measure(
    detector: ImageDetector,
    data: Path,
    split: str = "val",
    objects: str = "flowers",
    negatives: str = "negatives",
    progress: Tell = lambda _: None,
) -> Measured:
    """What the detector finds in every picture of the split."""
    entries = read_listing(data, objects, split)
    if not entries:
        raise InvalidInput(f"{objects}/{split}.json", "lists no picture; expected at least one")
    empty = read_listing_if_any(data, negatives, split)
    found = outcomes(detector, entries + empty, progress)
    labelled = tuple(zip(entries, found, strict=False))
    return Measured(labelled, tuple(zip(empty, found[len(entries) :], strict=True)))


def report_on(detector: ImageDetector, measured: Measured, split: str) -> Report:
    """The figures at the detector's own threshold."""
    threshold = detector.default_thresholds[detector.labels[0]]
    parts = {"all": measured.labelled}
    sources = sorted({entry.source for entry, _ in measured.labelled})
    for source in sources if len(sources) > 1 else ():
        parts[source] = tuple(pair for pair in measured.labelled if pair[0].source == source)
    false, complete = measured.false, measured.complete
    return Report(
        split=split,
        size_px=detector.size_px,
        threshold=threshold,
        negatives=len(false),
        false_boxes_per_negative=boxes_per_picture(false, threshold),
        negatives_with_boxes=share_with_boxes(false, threshold),
        parts=tuple(_part(name, some, measured, threshold) for name, some in parts.items()),
        coco_ap=coco_average_precision(complete),
        sizes=recall_by_size(complete, threshold),
        intervals=intervals(complete, measured.present, false, threshold),
        cuts=cuts_of(detector, [entry for entry, _ in measured.labelled]),
    )


def _part(
    name: str, pairs: Sequence[tuple[Entry, Outcome]], measured: Measured, threshold: float
) -> Part:
    complete = [outcome for entry, outcome in pairs if entry.complete]
    elsewhere = [outcome for _, outcome in measured.empty]
    return Part(
        name=name,
        pictures=len(complete),
        boxes=sum(outcome.true_count for outcome in complete),
        ap50=average_precision(complete),
        ap50_with_negatives=average_precision([*complete, *elsewhere]),
        recall=recall(complete, threshold),
        precision=precision(complete, threshold),
        presence_auc=presence_auc(with_objects(pairs), measured.false),
    )


def with_objects(pairs: Iterable[tuple[Entry, Outcome]]) -> list[Outcome]:
    """Of the pictures that hold objects."""
    return [outcome for _, outcome in pairs if outcome.true_count]


def outcomes(
    detector: ImageDetector, entries: Sequence[Entry], progress: Tell = lambda _: None
) -> list[Outcome]:
    """What the detector finds in each picture, judged."""
    found: list[Outcome] = []
    for index, entry in enumerate(entries):
        found.append(outcome(detector, entry))
        if index % 50 == 0:
            progress(Progress("measuring", index, len(entries)))
    return found


def outcome(detector: ImageDetector, entry: Entry) -> Outcome:
    """What the detector finds in one picture, judged."""
    lowest = dict.fromkeys(detector.labels, LOWEST_SCORE)
    detections = detector.detect(entry.path, DetectOptions(thresholds=lowest))
    boxes = np.array(
        [(b.x_min_px, b.y_min_px, b.x_max_px, b.y_max_px) for b in detections.boxes]
    ).reshape(-1, 4)
    scores = np.array([box.score for box in detections.boxes])
    presence = detections.scores[detector.labels[0]]
    longest_px = max(detections.width_px, detections.height_px)
    true = cut_to(entry.boxes, detections.width_px, detections.height_px)
    return judge(scores, boxes, true, presence, longest_px)


def choose_thresholds(
    detector: ImageDetector, aside: Sequence[Entry]
) -> tuple[float, tuple[OperatingPoint, ...]]:
    """From pictures kept aside: (threshold of best F1, operating points from low to high).

    The threshold, rounded to 3 digits, is one of the points. Without pictures that hold no object
    there is no rate of false boxes to state, so no point. All boxes in such pictures count as
    false in F1.
    """
    found = outcomes(detector, aside)
    false = [o for o in found if o.true_count == 0]
    chosen = round(best_threshold(found), 3)
    stated = [threshold_for(false, rate) for rate in FALSE_BOXES_PER_PICTURE]
    points = tuple(
        OperatingPoint(t, boxes_per_picture(false, t), 1 - recall(found, t))
        for t in sorted({chosen, *(max(t, LOWEST_SCORE) for t in stated)})
    )
    return chosen, points if false else ()
