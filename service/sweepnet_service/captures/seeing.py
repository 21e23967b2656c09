"""Objects nearly seen: boxes found at lowered thresholds, parted from those that are told."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sweepnet_service.captures.capture import Sighting
from sweepnet_service.captures.keeper import Keeper
from sweepnet_service.captures.near import distance, is_near, lowered
from sweepnet_service.store.names import reference

if TYPE_CHECKING:
    from sweepnet_service.detectors.image import Detections, DetectOptions, ImageDetector

Look = Callable[["DetectOptions"], "Detections"]


def seen(
    keeper: Keeper,
    name: str,
    detector: ImageDetector,
    options: DetectOptions,
    look: Look,
    picture: bytes,
) -> Detections:
    """What `look` finds with these options; the box nearest its threshold is offered.

    Lower thresholds change nothing of what is told: boxes give way to better ones alone. Only of
    several labels the better ones may take all the room there is: then it is looked for once more.
    Explanations would be those of further boxes, so with them no more is looked for.
    """
    thresholds = {**detector.default_thresholds, **options.thresholds}
    low = thresholds if options.explanations else lowered(thresholds, keeper.margin)
    found = look(replace(options, thresholds=low))
    near = [x for x in found.boxes if is_near(x.score, thresholds[x.label], keeper.margin)]
    if near:
        box = min(near, key=lambda each: distance(each.score, thresholds[each.label]))
        area_px = (box.x_min_px, box.y_min_px, box.x_max_px, box.y_max_px)
        sighting = Sighting(
            "image",
            reference(name, "detector").name,
            box.label,
            box.score,
            thresholds[box.label],
            uuid.uuid4().hex[:8],
            area_px=area_px,
        )
        keeper.offer(sighting, lambda: picture)
    if len(thresholds) > 1 and low != thresholds and len(found.boxes) >= options.max_boxes:
        return look(options)
    # In single precision, as the detector itself compares.
    told = (x for x in found.boxes if np.float32(x.score) >= np.float32(thresholds[x.label]))
    return replace(found, boxes=tuple(told))
