"""Measure a detector on labelled pictures with the code that is deployed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report as Tell

from ..dataset import Entry, read_listing, read_listing_if_any
from ..detector import ImageDetector
from ..figures import (
    Outcome,
    average_precision,
    best_threshold,
    boxes_per_picture,
    precision,
    presence_auc,
    recall,
    share_with_boxes,
    threshold_for,
)
from ..layout import BOX, PRESENCE
from ..results import OperatingPoint
from .coco import coco_average_precision
from .cuts import cuts_of
from .intervals import drawn, tails
from .outcomes import LOWEST_SCORE, Measured, Pair, between, outcomes, with_objects
from .report import NEAR_POINT, Part, Report, over_labels
from .sizes import recall_by_size

FALSE_BOXES_PER_PICTURE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
MOST_FALSE = 0.05
"""Boxes in a picture without objects, on average, that the shipped threshold may allow."""
FEWEST_BOXES = 10
"""Of a label with fewer objects aside the threshold of all labels together is surer."""


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
) -> dict[str, Measured]:
    """For each label what the detector finds in every picture of the split."""
    entries = read_listing(data, objects, split)
    if not entries:
        raise InvalidInput(f"{objects}/{split}.json", "lists no picture; expected at least one")
    empty = read_listing_if_any(data, negatives, split)
    found = outcomes(detector, entries + empty, progress)
    return {
        label: Measured(
            tuple(zip(entries, judged, strict=False)),
            tuple(zip(empty, judged[len(entries) :], strict=True)),
        )
        for label, judged in found.items()
    }


def report_on(detector: ImageDetector, measured: Mapping[str, Measured], split: str) -> Report:
    """The figures at the detector's own thresholds; of several labels their means first."""
    each = [_of_label(detector, measured[label], split, label) for label in detector.labels]
    if len(each) == 1:
        return each[0][0]
    spread = [draws for report, draws in each if report.parts[0].boxes] or [each[0][1]]
    means = {
        name: np.mean([draws[name] for draws in spread], axis=0)
        for name in spread[0]
        if all(name in draws for draws in spread)
    }
    intervals = {name: tails(values) for name, values in means.items()}
    return over_labels([report for report, _ in each], list(measured.values()), intervals)


def _of_label(
    detector: ImageDetector, measured: Measured, split: str, label: str
) -> tuple[Report, Mapping[str, Array]]:
    threshold = detector.default_thresholds[label]
    parts = {"all": measured.labelled}
    sources = sorted({entry.source for entry, _ in measured.labelled})
    for source in sources if len(sources) > 1 else ():
        parts[source] = tuple(pair for pair in measured.labelled if pair[0].source == source)
    false, complete = measured.false, measured.complete
    draws = drawn(complete, measured.present, false, threshold)
    one_box = len(detector.labels) == 1 and detector.shape == BOX
    report = Report(
        label=label,
        split=split,
        size_px=detector.size_px,
        threshold=threshold,
        negatives=len(false),
        false_boxes_per_negative=boxes_per_picture(false, threshold),
        negatives_with_boxes=share_with_boxes(false, threshold),
        parts=tuple(_part(name, some, measured, threshold) for name, some in parts.items()),
        coco_ap=coco_average_precision(complete),
        sizes=recall_by_size(complete, threshold),
        intervals={name: tails(values) for name, values in draws.items()},
        cuts=cuts_of(detector, [entry for entry, _ in measured.labelled]) if one_box else None,
        points_near=_near(complete),
    )
    return report, draws


def _near(outcomes: Sequence[Outcome]) -> float | None:
    """The share of the key points of found objects that lie near the true ones."""
    errors = np.concatenate([np.zeros(0), *(each.point_errors for each in outcomes)])
    return float((errors <= NEAR_POINT).mean()) if len(errors) else None


def _part(name: str, pairs: Sequence[Pair], measured: Measured, threshold: float) -> Part:
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


def choose_thresholds(
    detector: ImageDetector, aside: Sequence[Entry], few_false: bool = False
) -> dict[str, tuple[float, tuple[OperatingPoint, ...]]]:
    """From pictures kept aside, for each label: (threshold, operating points from low to high).

    The threshold is that of best F1, all boxes in pictures without objects counting as false: as
    often as the data has such pictures, so often they are taken to come. `few_false`: they will
    come more often, so it is at least one at which they, and parts of all pictures without any
    object, get at most MOST_FALSE boxes each. Rounded to 3 digits it is one of the points.
    Without such pictures there is no rate of false boxes to state, so no point: then parts may
    well hold what nobody labelled.
    """
    found, parts = outcomes(detector, aside), dict[str, list[Outcome]]()
    empty = any(not len(entry.boxes) for entry in aside)
    if few_false and empty and detector.shape != PRESENCE:
        parts = between(detector, [entry for entry in aside if entry.complete])
    every = best_threshold([outcome for judged in found.values() for outcome in judged])
    return {label: _chosen(own, parts.get(label), every) for label, own in found.items()}


def _chosen(
    found: Sequence[Outcome], parts: Sequence[Outcome] | None, otherwise: float
) -> tuple[float, tuple[OperatingPoint, ...]]:
    enough = sum(outcome.true_count for outcome in found) >= FEWEST_BOXES
    chosen = best_threshold(found) if enough else otherwise
    false = [*(o for o in found if o.true_count == 0), *(parts or ())]
    stated = [threshold_for(false, rate) for rate in FALSE_BOXES_PER_PICTURE]
    if parts is not None:
        chosen = max(chosen, threshold_for(false, MOST_FALSE))
    chosen = float(np.ceil(round(chosen * 1000, 6)) / 1000)
    points = tuple(
        OperatingPoint(t, boxes_per_picture(false, t), 1 - recall(found, t))
        for t in sorted({chosen, *(max(t, LOWEST_SCORE) for t in stated)})
    )
    return chosen, points if false else ()
