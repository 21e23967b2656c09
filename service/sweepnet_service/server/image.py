"""ImageDetectorService: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from sweepnet_protos.v1 import image_detector_pb2 as pb2
from sweepnet_protos.v1 import image_detector_pb2_grpc as pb2_grpc
from sweepnet_service.engine import DetectRequest, Engine
from sweepnet_service.limits import Limits
from sweepnet_service.server import convert_pictures as convert
from sweepnet_service.server.patience import Patience
from sweepnet_service.server.statuses import Guard, log_fault, status_of

Context = grpc.aio.ServicerContext[Any, Any]


class ImageDetectors(pb2_grpc.ImageDetectorServiceServicer):
    """Sweeps image detectors over pictures."""

    def __init__(self, engine: Engine, limits: Limits, guard: Guard) -> None:
        self._engine, self._limits, self._guard = engine, limits, guard

    async def Detect(self, request: pb2.DetectRequest, context: Context) -> pb2.DetectResponse:
        """Finds objects in one picture."""
        async with self._guard.reported(context, "Detect"):
            self._engine.admit()
            wanted = convert.detect_config(request.config)
            found = await self._engine.run(self._engine.detect, wanted, request.image)
            return pb2.DetectResponse(results=convert.picture_results(found))

    async def BatchDetect(
        self, request: pb2.BatchDetectRequest, context: Context
    ) -> pb2.BatchDetectResponse:
        """Finds objects in several pictures; one that cannot be read spoils no other's answer."""
        async with self._guard.reported(context, "BatchDetect"):
            self._engine.admit()
            wanted = convert.detect_config(request.config)
            pictures = convert.batch(request)
            await self._engine.run(self._engine.image_detectors, wanted.detectors)
            answers = [await self._answer(wanted, picture, "BatchDetect") for picture in pictures]
            return pb2.BatchDetectResponse(answers=answers)

    async def StreamingDetect(  # type: ignore[override]  # replies are written, not yielded
        self, requests: AsyncIterator[pb2.StreamingDetectRequest], context: Context
    ) -> None:
        """Finds objects in many pictures; one that cannot be read does not end the stream."""
        limits = self._limits
        async with self._guard.reported(context, "StreamingDetect"):
            self._engine.admit()
            with Patience(limits.idle_s, limits.stream_s) as patience:
                incoming = patience.messages(requests)
                wanted = convert.first_detect_config(await anext(incoming, None))
                await self._engine.run(self._engine.image_detectors, wanted.detectors)
                index = 0
                async for picture in convert.pictures(incoming):
                    found = await self._answer(wanted, picture, "StreamingDetect")
                    error = found.error if found.HasField("error") else None
                    reply = pb2.StreamingDetectResponse(
                        picture_index=index, results=found.results, error=error
                    )
                    await patience.answer(context, reply)
                    index += 1

    async def _answer(
        self, wanted: DetectRequest, picture: pb2.Picture, method: str
    ) -> pb2.PictureAnswer:
        """What is in one picture, or what was wrong with it; nothing in it ends the call."""
        try:
            wanted = convert.placed(wanted, picture)
            found = await self._engine.run(self._engine.detect, wanted, picture.image)
            return pb2.PictureAnswer(results=convert.picture_results(found))
        except Exception as error:
            log_fault(error, method)
            return pb2.PictureAnswer(error=status_of(error))
