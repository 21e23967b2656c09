"""A part of a picture looked at as if it were all of it; places are those of the whole picture."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor, isfinite

from sweepnet_service.errors import InvalidInput

from .detector import ImageDetector
from .explanation import Edges, PictureExplanation
from .pixels import Picture, read_picture
from .results import Box, Detections, DetectOptions, KeyPoint


def detect_within(
    detector: ImageDetector, picture: bytes, region: Edges, options: DetectOptions
) -> Detections:
    """What is found in the pixels that touch `region` (left, top, right, bottom).

    The picture is decoded at its full size. Raises InvalidInput where the region holds no pixel of
    it, and what `ImageDetector.detect` raises.
    """
    whole = read_picture(picture, detector.limits)
    left, top, right, bottom = pixels_of(region, whole)
    part = whole.pixels[top:bottom, left:right]
    found = detector.detect(Picture(part, right - left, bottom - top), options)
    return moved(found, whole, left, top)


def pixels_of(region: Edges, whole: Picture) -> tuple[int, int, int, int]:
    """The region's whole pixels within the picture; raises InvalidInput where there are none."""
    left, top, right, bottom = region
    if all(map(isfinite, region)) and left < right and top < bottom:
        x0, x1 = max(0, floor(left)), min(whole.width_px, ceil(right))
        y0, y1 = max(0, floor(top)), min(whole.height_px, ceil(bottom))
        if x0 < x1 and y0 < y1:
            return x0, y0, x1, y1
    raise InvalidInput(
        "region_of_interest",
        f"got x {left:g} to {right:g} and y {top:g} to {bottom:g} px; expected a part of the "
        f"picture, which is {whole.width_px} x {whole.height_px} px",
    )


def moved(found: Detections, whole: Picture, left: int, top: int) -> Detections:
    """What was found in a part that begins at (left, top), placed in the whole picture."""
    swept = found.score_map
    if swept is not None:
        swept = replace(swept, start_px=(swept.start_px[0] + top, swept.start_px[1] + left))
    return replace(
        found,
        width_px=whole.width_px,
        height_px=whole.height_px,
        boxes=tuple(_box(box, left, top) for box in found.boxes),
        score_map=swept,
        explanations=tuple(_explanation(each, left, top) for each in found.explanations),
    )


def _box(box: Box, left: int, top: int) -> Box:
    return replace(
        box,
        x_min_px=box.x_min_px + left,
        y_min_px=box.y_min_px + top,
        x_max_px=box.x_max_px + left,
        y_max_px=box.y_max_px + top,
        turned_px=tuple((x + left, y + top) for x, y in box.turned_px),
        points=tuple(KeyPoint(p.name, p.x_px + left, p.y_px + top) for p in box.points),
    )


def _explanation(told: PictureExplanation, left: int, top: int) -> PictureExplanation:
    return replace(
        told,
        field_px=_edges(told.field_px, left, top),
        effective_px=_edges(told.effective_px, left, top),
        start_px=(told.start_px[0] + top, told.start_px[1] + left),
    )


def _edges(edges: Edges, left: int, top: int) -> Edges:
    return edges[0] + left, edges[1] + top, edges[2] + left, edges[3] + top
