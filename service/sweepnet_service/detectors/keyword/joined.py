"""Detectors put together: several words in one network, or several networks for the same words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cnn_core.fold import fold
from sweepnet_service.detectors.keyword.assembly import mean_net, side_by_side
from sweepnet_service.detectors.keyword.detector import KeywordDetector, Placement
from sweepnet_service.detectors.keyword.tuning import untuned
from sweepnet_service.errors import InvalidInput


def joined(detectors: Sequence[KeywordDetector]) -> KeywordDetector:
    """One detector with the labels of all, each scored, placed and decided on as before.

    Layers that the networks begin with in common, such as a phone trunk, are computed once; scores
    of unlike windows meet at the windows' middles. Raises InvalidInput where features, hops or
    decisions differ, or a label is there twice.
    """
    first = _alike(detectors, windows=lambda each: [window.step for window in each.net.windows])
    labels = [label for each in detectors for label in each.labels]
    if len(set(labels)) < len(labels):
        raise InvalidInput(
            "labels",
            f"got {sorted(labels)}; expected each of them once (`sweepnet join --mean` makes one "
            "of models of the same words)",
        )
    made = replace(
        first,
        labels=tuple(labels),
        net=side_by_side([fold(each.net) for each in detectors], _counts(detectors)),
    )
    return replace(
        made,
        placements={k: v for each in detectors for k, v in _moved(each, made).items()},
        operating_points={k: v for each in detectors for k, v in each.operating_points.items()},
        default_thresholds={k: v for each in detectors for k, v in each.default_thresholds.items()},
        card={"joined": [x for each in detectors for x in each.card.get("joined", [each.card])]},
    )


def _moved(detector: KeywordDetector, into: KeywordDetector) -> dict[str, Placement]:
    """The words' places in the windows of a detector whose windows reach as far before as behind
    those that they had.
    """
    wider = float(into.window.size - detector.window.size) / 2
    later_s = round(wider / float(into.window.step)) * into.hop_s
    return {
        label: Placement(place.start_s + later_s, place.end_s + later_s)
        for label, place in detector.placements.items()
    }


def mean_of(detectors: Sequence[KeywordDetector]) -> KeywordDetector:
    """One detector of the same labels, of which the log odds are the mean over all of them.

    It is to be tuned: it has no operating points, and nothing says that a mean is calibrated.
    Raises InvalidInput where labels, features, windows or decisions differ.
    """
    first = _alike(detectors, windows=lambda each: each.net.windows)
    for each in detectors:
        if each.labels != first.labels:
            raise InvalidInput(
                "labels", f"got {list(each.labels)} beside {list(first.labels)}; expected the same"
            )
    net = mean_net([fold(each.net) for each in detectors], len(first.labels))
    bare = untuned(net, first.labels, first.features, {"mean_of": [x.card for x in detectors]})
    places = {label: _middle([x.placements[label] for x in detectors]) for label in first.labels}
    return replace(bare, placements=places, decision=first.decision)


def _alike(
    detectors: Sequence[KeywordDetector], **geometry: Callable[[KeywordDetector], Any]
) -> KeywordDetector:
    """The first, once the others are known to hear and decide as it does."""
    if not detectors:
        raise InvalidInput("detectors", "got none; expected one at least")
    first = detectors[0]
    told: dict[str, Callable[[KeywordDetector], Any]] = {
        "features": lambda each: each.features.describe(),
        **geometry,
        "decision": lambda each: each.decision,
    }
    for name, part in told.items():
        for other in detectors[1:]:
            if part(other) != part(first):
                raise InvalidInput(
                    name,
                    f"got {part(other)} beside {part(first)}; detectors are put together where "
                    "these are the same, others are used side by side in one stream",
                )
    return first


def _counts(detectors: Sequence[KeywordDetector]) -> list[int]:
    return [len(each.labels) for each in detectors]


def _middle(places: Sequence[Placement]) -> Placement:
    """The mean of several places."""
    start_s, end_s = np.mean([(place.start_s, place.end_s) for place in places], axis=0)
    return Placement(float(start_s), float(end_s))
