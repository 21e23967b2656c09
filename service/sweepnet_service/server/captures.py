"""CaptureService: what detectors were unsure of, told to people, and what they say about it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc

from sweepnet_protos.v1 import capture_pb2 as pb2
from sweepnet_protos.v1 import capture_pb2_grpc as pb2_grpc
from sweepnet_service.captures import Capture, Captures
from sweepnet_service.errors import FailedPrecondition
from sweepnet_service.server import convert_captures as convert
from sweepnet_service.server.paging import page
from sweepnet_service.server.statuses import Guard
from sweepnet_service.store import checked_name
from sweepnet_service.training.answers import forget_capture

Context = grpc.aio.ServicerContext[Any, Any]


class CaptureReview(pb2_grpc.CaptureServiceServicer):
    """The captures of one server; `models` is where trainings may keep copies of them."""

    def __init__(self, captures: Captures | None, guard: Guard, models: Path | None) -> None:
        self._kept, self._guard, self._models = captures, guard, models

    @property
    def _captures(self) -> Captures:
        if self._kept is None:
            raise FailedPrecondition(
                "captures",
                "this server keeps nothing to review; start it with --captures DIR",
            )
        return self._kept

    async def ListCaptures(
        self, request: pb2.ListCapturesRequest, context: Context
    ) -> pb2.ListCapturesResponse:
        """A page of captures, the oldest first."""
        async with self._guard.reported(context, "ListCaptures"):
            found = {each.id: each for each in await asyncio.to_thread(self._wanted, request)}
            keys, following = page(list(found), request.page_size, request.page_token)
            return pb2.ListCapturesResponse(
                captures=[convert.capture(found[key]) for key in keys], next_page_token=following
            )

    async def GetCapture(
        self, request: pb2.GetCaptureRequest, context: Context
    ) -> pb2.GetCaptureResponse:
        """One capture with its content."""
        async with self._guard.reported(context, "GetCapture"):
            kept = await asyncio.to_thread(self._captures.get, request.name)
            content = await asyncio.to_thread(self._captures.content, request.name)
            return pb2.GetCaptureResponse(capture=convert.capture(kept), content=content)

    async def AnswerCapture(
        self, request: pb2.AnswerCaptureRequest, context: Context
    ) -> pb2.AnswerCaptureResponse:
        """The capture with its answer."""
        async with self._guard.reported(context, "AnswerCapture"):
            told = convert.answer(request)
            kept = await asyncio.to_thread(self._captures.answer, request.name, told)
            return pb2.AnswerCaptureResponse(capture=convert.capture(kept))

    async def DeleteCapture(
        self, request: pb2.DeleteCaptureRequest, context: Context
    ) -> pb2.DeleteCaptureResponse:
        """Nothing; the capture is gone."""
        async with self._guard.reported(context, "DeleteCapture"):
            await asyncio.to_thread(forget_capture, self._captures, request.name, self._models)
            return pb2.DeleteCaptureResponse()

    def _wanted(self, request: pb2.ListCapturesRequest) -> list[Capture]:
        if request.detector:
            checked_name(request.detector, "detector")
        return [
            each
            for each in self._captures.all()
            if request.detector in ("", each.sighting.detector)
            and not (request.unanswered and each.answer)
        ]
