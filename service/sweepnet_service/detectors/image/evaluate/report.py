"""What an evaluation found, as plain data and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from cnn_core.arrays import Integers

from .cuts import Cuts
from .outcomes import Measured
from .sizes import EDGES, SizeRecall

NEAR_POINT = 0.1
"""A key point is near the true one within this share of the object's longer side."""


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
    """What an evaluation found of one label, or of all of them: then `labels` has each label's own,
    `parts` their means and each label, and no single threshold is in force."""

    label: str
    split: str
    size_px: int
    threshold: float | None
    negatives: int
    false_boxes_per_negative: float
    negatives_with_boxes: float
    parts: tuple[Part, ...]
    coco_ap: float
    sizes: tuple[SizeRecall, ...]
    intervals: dict[str, tuple[float, float]]
    cuts: Cuts | None
    points_near: float | None = None
    labels: tuple[Report, ...] = ()

    @property
    def each(self) -> tuple[Report, ...]:
        """Of each label."""
        return self.labels or (self,)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """A readable table."""
        low, high = self.intervals["ap50"]
        ap = f"COCO AP {self.coco_ap:.3f}; AP50 of all lies between {low:.3f} and {high:.3f}"
        head = f"{self.split} at {self.size_px} px, {self._thresholds()}"
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
        return [head, false, title, *map(_row, self.parts), ap, *sizes, *self._more()]

    def _thresholds(self) -> str:
        if self.threshold is not None:
            return f"threshold {self.threshold:.3f}"
        each = ", ".join(f"{report.label} {report.threshold:.3f}" for report in self.labels)
        return f"thresholds: {each}"

    def _more(self) -> list[str]:
        """What not every detector tells."""
        told = []
        if self.cuts is not None:
            told.append(
                f"presence AUC of {self.cuts.pairs} cuts with an object against as many beside: "
                f"{self.cuts.auc:.3f}"
            )
        if self.points_near is not None:
            told.append(
                f"key points of found objects within {NEAR_POINT:.0%} of the object's side: "
                f"{self.points_near:.3f}"
            )
        return told


def _row(part: Part) -> str:
    numbers = (
        part.ap50, part.ap50_with_negatives, part.recall, part.precision, part.presence_auc
    )  # fmt: skip
    shown = "".join(f"{shown_figure(number):>8}" for number in numbers)
    return f"{part.name:<38}{part.pictures:>9}{part.boxes:>7}{shown}"


def shown_figure(number: float) -> str:
    """To three digits; what there was nothing to measure on is a dash."""
    return f"{number:.3f}" if np.isfinite(number) else "-"


def over_labels(
    reports: Sequence[Report],
    measured: Sequence[Measured],
    intervals: Mapping[str, tuple[float, float]],
) -> Report:
    """The reports of several labels as one: the mean of each figure over them, as COCO has it."""
    own = [replace(report.parts[0], name=report.label) for report in reports]
    told = _told(reports, measured)
    near = [report.points_near for report in reports if report.points_near is not None]
    return Report(
        label=", ".join(report.label for report in reports),
        split=reports[0].split,
        size_px=reports[0].size_px,
        threshold=None,
        negatives=len(told),
        false_boxes_per_negative=float(told.mean()) if len(told) else 0.0,
        negatives_with_boxes=float((told > 0).mean()) if len(told) else 0.0,
        parts=(_mean(own), *own),
        coco_ap=float(np.mean([report.coco_ap for report in reports])),
        sizes=_sizes(reports),
        intervals=dict(intervals),
        cuts=None,
        points_near=float(np.mean(near)) if near else None,
        labels=tuple(reports),
    )


def _told(reports: Sequence[Report], measured: Sequence[Measured]) -> Integers:
    """How many boxes, of all labels, each picture without any object gets at their thresholds."""
    rows = zip(*(each.labelled + each.empty for each in measured), strict=True)
    empty = [
        [outcome for _, outcome in row]
        for row in rows
        if row[0][0].complete and not any(outcome.true_count for _, outcome in row)
    ]
    return np.array(
        [
            sum(
                int((outcome.scores >= (report.threshold or 0.0)).sum())
                for outcome, report in zip(row, reports, strict=True)
            )
            for row in empty
        ],
        np.int64,
    )


def _mean(parts: Sequence[Part]) -> Part:
    """Over the labels that there is anything of; a figure that no label has is NaN."""
    there = [part for part in parts if part.boxes] or list(parts)
    names = ("ap50", "ap50_with_negatives", "recall", "precision", "presence_auc")
    means = {}
    for name in names:
        values = [value for part in there if np.isfinite(value := getattr(part, name))]
        means[name] = float(np.mean(values)) if values else float("nan")
    return Part("mean of labels", parts[0].pictures, sum(part.boxes for part in parts), **means)


def _sizes(reports: Sequence[Report]) -> tuple[SizeRecall, ...]:
    """The recall of each size over all labels."""
    found = []
    for low in EDGES[:-1]:
        some = [size for report in reports for size in report.sizes if size.low == low]
        count = sum(size.boxes for size in some)
        if count:
            hits = sum(size.recall * size.boxes for size in some)
            found.append(SizeRecall(low, some[0].high, count, hits / count))
    return tuple(found)
