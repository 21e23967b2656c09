"""What a detector finds in labelled pictures, judged label by label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.progress import Progress
from sweepnet_service.progress import Report as Tell

from ..augment import free_crop
from ..dataset import Entry, corners_of, cut_to, labelled, load
from ..detector import ImageDetector
from ..figures import Outcome, judge, matches
from ..layout import POINTS, PRESENCE, TURNED
from ..pixels import Picture
from ..results import Box, Detections, DetectOptions

# Boxes below it change no figure that is reported, but would cost time.
LOWEST_SCORE = 0.02
POINTS_IOU = 0.5
PARTS = 4

Pair = tuple[Entry, Outcome]


@dataclass(frozen=True, eq=False)
class Measured:
    """What a detector made of one label in each labelled picture, and of each picture without any
    object."""

    labelled: tuple[Pair, ...]
    empty: tuple[Pair, ...]

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


def with_objects(pairs: Iterable[Pair]) -> list[Outcome]:
    """Of the pictures that hold objects."""
    return [outcome for _, outcome in pairs if outcome.true_count]


def outcomes(
    detector: ImageDetector, entries: Sequence[Entry], progress: Tell = lambda _: None
) -> dict[str, list[Outcome]]:
    """For each label what the detector finds in each picture, judged."""
    found: dict[str, list[Outcome]] = {label: [] for label in detector.labels}
    for index, entry in enumerate(labelled(entries, detector.labels)):
        for label, judged in _outcomes(detector, entry, entry.path).items():
            found[label].append(judged)
        if index % 50 == 0:
            progress(Progress("measuring", index, len(entries)))
    return found


def between(
    detector: ImageDetector, entries: Sequence[Entry], seed: int = 0
) -> dict[str, list[Outcome]]:
    """For each label what the detector finds in parts of the pictures that hold no object: up to
    PARTS of each, the same every time."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Outcome]] = {label: [] for label in detector.labels}
    for entry in entries:
        photo, nothing = load(entry), replace(entry, boxes=entry.boxes[:0], labels=())
        parts = [free_crop(rng, photo) for _ in range(PARTS)]
        for pixels in (part.pixels for part in parts if part is not None):
            picture = Picture(pixels, pixels.shape[1], pixels.shape[0])
            for label, judged in _outcomes(detector, nothing, picture).items():
                found[label].append(judged)
    return found


def _outcomes(detector: ImageDetector, entry: Entry, picture: Path | Picture) -> dict[str, Outcome]:
    lowest = dict.fromkeys(detector.labels, LOWEST_SCORE)
    seen = detector.detect(picture, DetectOptions(thresholds=lowest))
    return {
        label: _judged(detector, seen, label, _of_label(entry, number))
        for number, label in enumerate(detector.labels)
    }


def _of_label(entry: Entry, label: int) -> Entry:
    """The entry with the objects of one label alone."""
    kept = [at for at, own in enumerate(entry.labels or (0,) * len(entry.boxes)) if own == label]
    marks = entry.marks.taken(kept) if entry.marks.names else entry.marks
    species = tuple(entry.species[at] for at in kept)
    return replace(entry, boxes=entry.boxes[kept], species=species, marks=marks, labels=())


def _judged(detector: ImageDetector, seen: Detections, label: str, entry: Entry) -> Outcome:
    presence, longest_px = seen.scores[label], max(seen.width_px, seen.height_px)
    whole = np.array([[0.0, 0.0, seen.width_px, seen.height_px]])
    if detector.shape == PRESENCE:
        there = whole[: min(1, len(entry.boxes))]
        return judge(np.array([presence]), whole, there, presence, longest_px)
    found = [box for box in seen.boxes if box.label == label]
    scores = np.array([box.score for box in found])
    entry = cut_to(entry, seen.width_px, seen.height_px)
    if detector.shape == TURNED:
        corners = np.array([box.corners_px for box in found]).reshape(-1, 4, 2)
        return judge(scores, corners, corners_of(entry, entry.boxes), presence, longest_px)
    outcome = judge(scores, edges(found), entry.boxes, presence, longest_px)
    if detector.shape != POINTS or not len(entry.marks.points):
        return outcome
    sure = [box for box in found if box.score >= detector.default_thresholds[label]]
    return replace(outcome, point_errors=_errors(sure, entry))


def edges(boxes: Sequence[Box]) -> Array:
    """Boxes as they are told -> (n, 4)."""
    rows = [(box.x_min_px, box.y_min_px, box.x_max_px, box.y_max_px) for box in boxes]
    return np.array(rows).reshape(-1, 4)


def _errors(found: Sequence[Box], entry: Entry) -> Array:
    """How far each known key point of each object that was found lies off, in its longer sides."""
    true = entry.boxes
    places = matches(edges(found), true, POINTS_IOU)
    apart = [
        np.hypot(*(np.array([(p.x_px, p.y_px) for p in box.points]) - entry.marks.points[at]).T)
        / max(float((true[at, 2:] - true[at, :2]).max()), 1.0)
        for box, at in zip(found, places.tolist(), strict=True)
        if at >= 0
    ]
    every = np.concatenate([np.zeros(0), *apart])
    return np.asarray(every[np.isfinite(every)])
