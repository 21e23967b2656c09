"""ModelService: what detectors there are."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import grpc

from sweepnet_protos.v1 import model_pb2 as pb2
from sweepnet_protos.v1 import model_pb2_grpc as pb2_grpc
from sweepnet_service.engine import Engine
from sweepnet_service.errors import NotFound
from sweepnet_service.server import convert_models
from sweepnet_service.server.paging import page
from sweepnet_service.server.statuses import Guard
from sweepnet_service.store import checked_name

Context = grpc.aio.ServicerContext[Any, Any]


class Models(pb2_grpc.ModelServiceServicer):
    """Tells which detectors there are, and what is known of them."""

    def __init__(self, engine: Engine, guard: Guard) -> None:
        self._engine, self._guard = engine, guard

    async def ListModels(
        self, request: pb2.ListModelsRequest, context: Context
    ) -> pb2.ListModelsResponse:
        """A page of models in order of name."""
        async with self._guard.reported(context, "ListModels"):
            library, kind = self._engine.library, convert_models.kind_filter(request.kind)
            names = [x.name for x in library.entries.values() if kind in (None, x.kind)]
            names, following = page(names, request.page_size, request.page_token)
            models = []
            for name in names:
                # A file may go while the others are told of.
                with suppress(NotFound):
                    models.append(await self._engine.run(convert_models.model, library, name))
            return pb2.ListModelsResponse(models=models, next_page_token=following)

    async def GetModel(
        self, request: pb2.GetModelRequest, context: Context
    ) -> pb2.GetModelResponse:
        """One model."""
        async with self._guard.reported(context, "GetModel"):
            name, library = checked_name(request.name, "name"), self._engine.library
            return await self._engine.run(convert_models.whole_model, library, name)
