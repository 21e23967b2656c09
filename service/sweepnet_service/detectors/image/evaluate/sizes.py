"""Recall by the size of the objects in their picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..figures import RIGHT_IOU, Outcome, matches
from ..figures import sizes as areas_of

EDGES = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Sides (the root of the area) as shares of the picture's longer side."""


@dataclass(frozen=True)
class SizeRecall:
    """Of `boxes` objects with a side of `low` to `high` of the picture, the share found."""

    low: float
    high: float
    boxes: int
    recall: float


def recall_by_size(outcomes: Sequence[Outcome], threshold: float) -> tuple[SizeRecall, ...]:
    """The recall of each size that there is."""
    sides, found = [np.zeros(0)], [np.zeros(0, bool)]
    for outcome in outcomes:
        told = outcome.boxes[outcome.scores >= threshold]
        hit = np.zeros(len(outcome.true), bool)
        places = matches(told, outcome.true, RIGHT_IOU)
        hit[places[places >= 0]] = True
        sides.append(np.sqrt(areas_of(outcome.true)) / max(outcome.longest_px, 1))
        found.append(hit)
    each, hits = np.concatenate(sides), np.concatenate(found)
    bins = np.clip(np.searchsorted(EDGES, each, side="right") - 1, 0, len(EDGES) - 2)
    return tuple(
        SizeRecall(low, high, int((bins == place).sum()), float(hits[bins == place].mean()))
        for place, (low, high) in enumerate(pairwise(EDGES))
        if (bins == place).any()
    )
