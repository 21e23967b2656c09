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
from sweepnet_service.server.patience import answer, patient
from sweepnet_service.server.statuses import Guard, log_fault, status_of

Context = grpc.aio.ServicerContext[Any, Any]


class ImageDetectors(pb2_grpc.ImageDetectorServiceServicer):
    """Sweeps image detectors over pictures."""

    def __init__(self, engine: Engine, limits: Limits, guard: Guard) -> None:
        self._engine, self._limits, self._guard = engine, limits, guard

    async def Detect(self, request: pb2.DetectRequest, context: Context) -> pb2.DetectResponse:
        """Finds objects in one picture."""
        async with self._guard.reported(context, "Detect"):
            wanted = convert.detect_config(request.config)
            found = await self._engine.run(self._engine.detect, wanted, request.image)
            return pb2.DetectResponse(results=convert.picture_results(found))

    async def StreamingDetect(  # type: ignore[override]  # replies are written, not yielded
        self, requests: AsyncIterator[pb2.StreamingDetectRequest], context: Context
    ) -> None:
        """Finds objects in many pictures; one that cannot be read does not end the stream."""
        async with self._guard.reported(context, "StreamingDetect"):
            incoming = patient(requests, self._limits.idle_s)
            wanted = convert.first_detect_config(await anext(incoming, None))
            await self._engine.run(self._engine.image_detectors, wanted.detectors)
            async for picture in convert.numbered_pictures(incoming):
                found = await self._found(wanted, *picture)
                await answer(context, found, self._limits.idle_s)

    async def _found(
        self, wanted: DetectRequest, index: int, picture: bytes
    ) -> pb2.StreamingDetectResponse:
        """What is in one picture, or what was wrong with it; nothing in it ends the stream."""
        try:
            found = await self._engine.run(self._engine.detect, wanted, picture)
            results = convert.picture_results(found)
        except Exception as error:
            log_fault(error, "StreamingDetect")
            return pb2.StreamingDetectResponse(picture_index=index, error=status_of(error))
        return pb2.StreamingDetectResponse(picture_index=index, results=results)
