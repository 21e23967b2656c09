"""Between the wire and the domain, for pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sweepnet_protos.v1 import image_detector_pb2
from sweepnet_service.engine import DetectRequest
from sweepnet_service.errors import InvalidInput

if TYPE_CHECKING:
    from cnn_core.arrays import Array
    from sweepnet_service.detectors.image import Box, Detections, PictureExplanation
    from sweepnet_service.detectors.image.explanation import Edges

MOST_PICTURES = 1000


def detect_config(config: image_detector_pb2.DetectConfig) -> DetectRequest:
    """What to look for in pictures."""
    return DetectRequest(
        detectors=tuple(config.detectors),
        thresholds=dict(config.thresholds),
        overlap_iou=config.overlap_iou or 0.5,
        max_boxes=config.max_boxes or 100,
        score_map=config.include_score_map,
        explanations=config.include_explanations,
        region=_region(config),
        tile=config.tile,
    )


def _region(places: image_detector_pb2.DetectConfig | image_detector_pb2.Picture) -> Edges | None:
    if not places.HasField("region_of_interest"):
        return None
    area = places.region_of_interest
    return area.x_min_px, area.y_min_px, area.x_max_px, area.y_max_px


def placed(wanted: DetectRequest, picture: image_detector_pb2.Picture) -> DetectRequest:
    """What is wanted of this picture: it may name a region of its own."""
    return replace(wanted, region=_region(picture) or wanted.region)


def batch(request: image_detector_pb2.BatchDetectRequest) -> Sequence[image_detector_pb2.Picture]:
    """The pictures; raises InvalidInput for too many of them."""
    if len(request.pictures) > MOST_PICTURES:
        raise InvalidInput(
            "pictures",
            f"got {len(request.pictures)}; expected at most {MOST_PICTURES}. "
            "Send more calls, or StreamingDetect",
        )
    return request.pictures


def first_detect_config(first: image_detector_pb2.StreamingDetectRequest | None) -> DetectRequest:
    """The configuration that a stream of pictures opens with."""
    got = "nothing" if first is None else first.WhichOneof("content") or "an empty message"
    if first is None or got != "config":
        raise InvalidInput("config", f"the first message held {got}; expected the configuration")
    return detect_config(first.config)


async def pictures(
    requests: AsyncIterator[image_detector_pb2.StreamingDetectRequest],
) -> AsyncIterator[image_detector_pb2.Picture]:
    """Pictures behind the first message."""
    async for request in requests:
        match request.WhichOneof("content"):
            case "image":
                yield image_detector_pb2.Picture(image=request.image)
            case "picture":
                yield request.picture
            case got:
                raise InvalidInput(
                    "content", f"got {got or 'an empty message'}; expected image or picture"
                )


def picture_results(
    found: Sequence[tuple[str, Detections]],
) -> list[image_detector_pb2.PictureResult]:
    """What each detector found in a picture."""
    return [_picture_result(name, detections) for name, detections in found]


def _picture_result(name: str, found: Detections) -> image_detector_pb2.PictureResult:
    result = image_detector_pb2.PictureResult(
        detector=name,
        width_px=found.width_px,
        height_px=found.height_px,
        scores=found.scores,
        boxes=map(_box, found.boxes),
        explanations=map(_picture_explanation, found.explanations),
    )
    if found.score_map is not None:
        swept = found.score_map
        placed = _score_map(swept.scores, swept.step_px, swept.start_px, list(found.scores))
        result.score_map.CopyFrom(placed)
    return result


def _box(box: Box) -> image_detector_pb2.Box:
    corners = [image_detector_pb2.Point(x_px=x, y_px=y) for x, y in box.corners_px]
    return image_detector_pb2.Box(
        label=box.label,
        score=box.score,
        x_min_px=box.x_min_px,
        y_min_px=box.y_min_px,
        x_max_px=box.x_max_px,
        y_max_px=box.y_max_px,
        corners_px=corners,
        key_points=[
            image_detector_pb2.KeyPoint(name=point.name, x_px=point.x_px, y_px=point.y_px)
            for point in box.points
        ],
    )


def _picture_explanation(told: PictureExplanation) -> image_detector_pb2.PictureExplanation:
    return image_detector_pb2.PictureExplanation(
        label=told.label,
        score=told.score,
        receptive_field=_area(told.field_px),
        effective_field=_area(told.effective_px),
        relevance=_score_map(told.relevance, told.step_px, told.start_px, [told.label]),
    )


def _area(edges: Edges) -> image_detector_pb2.Area:
    left, top, right, bottom = edges
    return image_detector_pb2.Area(x_min_px=left, y_min_px=top, x_max_px=right, y_max_px=bottom)


def _score_map(
    scores: Array, step_px: tuple[float, float], start_px: tuple[float, float], labels: list[str]
) -> image_detector_pb2.ScoreMap:
    """(rows, columns, labels) placed in the picture; steps and starts are (y, x)."""
    rows, columns = scores.shape[:2]
    return image_detector_pb2.ScoreMap(
        row_count=rows,
        column_count=columns,
        labels=labels,
        scores=scores.ravel().tolist(),
        step_y_px=step_px[0],
        step_x_px=step_px[1],
        start_y_px=start_px[0],
        start_x_px=start_px[1],
    )
