"""KeywordSpotterService: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_protos.v1 import keyword_spotter_pb2_grpc as pb2_grpc
from sweepnet_service.engine import Engine
from sweepnet_service.limits import Limits
from sweepnet_service.live.batcher import Batcher
from sweepnet_service.live.request import SpotRequest
from sweepnet_service.server import convert
from sweepnet_service.server.patience import Patience
from sweepnet_service.server.statuses import Guard
from sweepnet_service.spotting import Reply, Uploads, shorter, spot, spot_live

Context = grpc.aio.ServicerContext[Any, Any]


class KeywordSpotter(pb2_grpc.KeywordSpotterServiceServicer):
    """Sweeps keyword detectors over audio."""

    def __init__(
        self, engine: Engine, limits: Limits, guard: Guard, uploads: Uploads, batcher: Batcher
    ) -> None:
        self._engine, self._limits = engine, limits
        self._guard, self._uploads, self._batcher = guard, uploads, batcher

    async def StreamingSpot(  # type: ignore[override]  # replies are written, not yielded
        self, requests: AsyncIterator[pb2.StreamingSpotRequest], context: Context
    ) -> None:
        """Scores audio as it comes."""
        limits = self._limits
        async with self._guard.reported(context, "StreamingSpot"):
            with Patience(limits.idle_s, limits.stream_s) as patience:
                incoming = patience.messages(requests)
                wanted = convert.spot_config(await anext(incoming, None))
                async with aclosing(self._told(wanted, incoming)) as replies:
                    async for reply in replies:
                        await patience.answer(context, convert.spot_reply(reply))

    def _told(
        self, wanted: SpotRequest, incoming: AsyncIterator[pb2.StreamingSpotRequest]
    ) -> AsyncGenerator[Reply, None]:
        audio = convert.audio_messages(incoming)
        if wanted.encoding == "CONTAINER":
            self._engine.admit()
            return spot(self._engine, wanted, audio, self._uploads)
        return spot_live(self._engine, wanted, audio, self._batcher)

    async def Spot(self, request: pb2.SpotRequest, context: Context) -> pb2.SpotResponse:
        """Scores one short recording."""
        async with self._guard.reported(context, "Spot"):
            self._engine.admit()
            wanted = convert.whole_spot_config(request.config)
            audio = convert.one_message(request.audio)
            async with aclosing(spot(self._engine, wanted, audio, self._uploads)) as replies:
                short = shorter(replies, wanted.start_sample, self._limits.whole_spot_s)
                return convert.whole_spot_reply([reply async for reply in short])
