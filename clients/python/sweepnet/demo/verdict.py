"""Whether the demo found what is truly there: lists of complaints, empty if right."""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[float, float]
Corners = tuple[float, float, float, float]

TOLERANCE_S = 0.3
ENOUGH_IOU = 0.5


def heard(found_s: Sequence[Span], truth_s: Sequence[Span]) -> list[str]:
    """Every true place found once, within TOLERANCE_S at both ends, and nothing else."""
    matched = [[span for span in found_s if near(span, true)] for true in truth_s]
    missed = [
        f"the word at {true[0]:.2f}-{true[1]:.2f} s was found {len(near)} times instead of once"
        for true, near in zip(truth_s, matched, strict=True)
        if len(near) != 1
    ]
    stray = [
        f"a word was found at {span[0]:.2f}-{span[1]:.2f} s, where it is not said"
        for span in found_s
        if not any(near(span, true) for true in truth_s)
    ]
    return missed + stray


def seen(boxes_px: Sequence[Corners], flower_px: Corners | None, picture: str) -> list[str]:
    """At least one box with an IoU of ENOUGH_IOU on the flower; none where there is no flower."""
    if flower_px is None:
        return [f"{picture}: {len(boxes_px)} boxes, but no flower is there"] if boxes_px else []
    best = max((overlap(box, flower_px) for box in boxes_px), default=0.0)
    if best >= ENOUGH_IOU:
        return []
    return [f"{picture}: best overlap (IoU) with the flower is {best:.2f}, expected {ENOUGH_IOU}"]


def near(found: Span, true: Span) -> bool:
    """Whether both ends lie within TOLERANCE_S of the true ones."""
    return all(abs(a - b) <= TOLERANCE_S for a, b in zip(found, true, strict=True))


def overlap(one: Corners, other: Corners) -> float:
    """Intersection over union of two boxes (x_min, y_min, x_max, y_max)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / (_area(one) + _area(other) - common)


def _area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
