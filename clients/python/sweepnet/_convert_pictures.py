"""Between the wire and the client's records: pictures, what was found in them, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sweepnet._checks import check, checked
from sweepnet._convert import resource
from sweepnet.options import DetectOptions
from sweepnet.results import Area, Box, Detections, PictureExplanation, Scored, ScoreMap
from sweepnet_protos.v1 import image_detector_pb2

Answer = image_detector_pb2.PictureAnswer | image_detector_pb2.StreamingDetectResponse


def detect_config(options: DetectOptions) -> image_detector_pb2.DetectConfig:
    """What to look for; TypeError or InvalidInput where an option is wrong."""
    checked(options, DetectOptions)
    return image_detector_pb2.DetectConfig(
        detectors=map(resource, options.get("detectors", ())),
        thresholds=options.get("thresholds", {}),
        overlap_iou=options.get("overlap_iou", 0.0),
        max_boxes=options.get("max_boxes", 0),
        include_score_map=options.get("score_map", False),
        include_explanations=options.get("explanations", False),
        region_of_interest=_placed(options.get("region")),
        tile=options.get("tile", False),
    )


def detect_request(image: bytes, options: DetectOptions) -> image_detector_pb2.DetectRequest:
    """One picture, and what to look for in it."""
    return image_detector_pb2.DetectRequest(config=detect_config(options), image=image)


def picture(image: bytes, region: Area | None) -> image_detector_pb2.Picture:
    """One picture of several, and where to look in it; InvalidInput where that is no Area."""
    if region is not None:
        check("region", region)
    return image_detector_pb2.Picture(image=image, region_of_interest=_placed(region))


def batch_request(
    pictures: Iterable[image_detector_pb2.Picture], options: DetectOptions
) -> image_detector_pb2.BatchDetectRequest:
    """Several pictures, and what to look for in them."""
    return image_detector_pb2.BatchDetectRequest(config=detect_config(options), pictures=pictures)


def stream_opening(options: DetectOptions) -> image_detector_pb2.StreamingDetectRequest:
    """The first message of a stream of pictures."""
    return image_detector_pb2.StreamingDetectRequest(config=detect_config(options))


def stream_picture(
    told: image_detector_pb2.Picture,
) -> image_detector_pb2.StreamingDetectRequest:
    """A later message."""
    return image_detector_pb2.StreamingDetectRequest(picture=told)


def _placed(region: Area | None) -> image_detector_pb2.Area | None:
    return None if region is None else image_detector_pb2.Area(**vars(region))


def answered(told: Answer, source: str) -> Scored:
    """The answer to one picture of several, or why there is none."""
    if told.HasField("error"):
        return Scored(source, error=told.error.message)
    return Scored(source, detections(told.results))


def detections(results: Sequence[image_detector_pb2.PictureResult]) -> Detections:
    """The answer to one picture, of all detectors together."""
    boxes = [_box(box, result.detector) for result in results for box in result.boxes]
    scores: dict[str, float] = {}
    for result in results:
        for label, score in result.scores.items():
            scores[label] = max(score, scores.get(label, 0.0))
    first = results[0]
    maps = tuple(
        _score_map(result.score_map, result.detector)
        for result in results
        if result.HasField("score_map")
    )
    explanations = tuple(
        _picture_explanation(each, result.detector)
        for result in results
        for each in result.explanations
    )
    best_first = tuple(sorted(boxes, key=lambda box: -box.score))
    return Detections(first.width_px, first.height_px, scores, best_first, maps, explanations)


def _picture_explanation(
    told: image_detector_pb2.PictureExplanation, detector: str
) -> PictureExplanation:
    return PictureExplanation(
        told.label,
        told.score,
        _area(told.receptive_field),
        _area(told.effective_field),
        _score_map(told.relevance, detector),
        detector,
    )


def _area(told: image_detector_pb2.Area) -> Area:
    return Area(told.x_min_px, told.y_min_px, told.x_max_px, told.y_max_px)


def _box(told: image_detector_pb2.Box, detector: str) -> Box:
    corners = tuple((corner.x_px, corner.y_px) for corner in told.corners_px)
    edges = (told.x_min_px, told.y_min_px, told.x_max_px, told.y_max_px)
    points = {point.name: (point.x_px, point.y_px) for point in told.key_points}
    return Box(told.label, told.score, *edges, corners, detector, points)


def _score_map(told: image_detector_pb2.ScoreMap, detector: str) -> ScoreMap:
    return ScoreMap(
        detector,
        told.row_count,
        told.column_count,
        tuple(told.labels),
        tuple(told.scores),
        told.step_x_px,
        told.step_y_px,
        told.start_x_px,
        told.start_y_px,
    )
