"""Captures between the wire and the domain."""

from __future__ import annotations

from collections.abc import Mapping

from sweepnet_protos.v1 import capture_pb2, image_detector_pb2
from sweepnet_service.captures import Answer, Capture
from sweepnet_service.errors import InvalidInput
from sweepnet_service.server.convert_models import KINDS
from sweepnet_service.server.convert_versions import time

ANSWERS: Mapping[Answer, capture_pb2.CaptureAnswer] = {
    "": capture_pb2.CAPTURE_ANSWER_UNSPECIFIED,
    "yes": capture_pb2.CAPTURE_ANSWER_YES,
    "no": capture_pb2.CAPTURE_ANSWER_NO,
}


def answer(request: capture_pb2.AnswerCaptureRequest) -> Answer:
    """What a person said; raises InvalidInput."""
    for told, number in ANSWERS.items():
        if request.answer == number:
            return told
    raise InvalidInput("answer", f"got {request.answer}; expected YES, NO or UNSPECIFIED")


def capture(kept: Capture) -> capture_pb2.Capture:
    """A capture without its content."""
    seen = kept.sighting
    told = capture_pb2.Capture(
        name=kept.name,
        kind=KINDS[seen.kind],
        detector=seen.detector,
        label=seen.label,
        score=seen.score,
        threshold=seen.threshold,
        answer=ANSWERS[kept.answer],
        create_time=time(kept.created_s),
        expire_time=time(kept.expires_s),
        size_bytes=kept.size_bytes,
    )
    if seen.word_s:
        told.start_s, told.end_s = seen.word_s
    else:
        left, top, right, bottom = seen.area_px
        area = image_detector_pb2.Area(x_min_px=left, y_min_px=top, x_max_px=right, y_max_px=bottom)
        told.area.CopyFrom(area)
    return told
