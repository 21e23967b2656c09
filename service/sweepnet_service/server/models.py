"""ModelService: what detectors there are, and which of their versions is used."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import grpc

from sweepnet_protos.v1 import model_pb2 as pb2
from sweepnet_protos.v1 import model_pb2_grpc as pb2_grpc
from sweepnet_service.engine import Engine
from sweepnet_service.errors import NotFound
from sweepnet_service.server import convert_models, convert_versions
from sweepnet_service.server.paging import page
from sweepnet_service.server.statuses import Guard
from sweepnet_service.store import Version, checked_name, publishing, reference
from sweepnet_service.store.publishing import Objection, no_objection

Context = grpc.aio.ServicerContext[Any, Any]
LARGEST_NUMBER = 10**9


class Models(pb2_grpc.ModelServiceServicer):
    """Tells which detectors there are; `objection` speaks against promotions."""

    def __init__(self, engine: Engine, guard: Guard, objection: Objection = no_objection) -> None:
        self._engine, self._guard, self._objection = engine, guard, objection

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
            library = self._engine.library
            reference(request.name, "name")
            return await self._engine.run(convert_models.whole_model, library, request.name)

    async def ListModelVersions(
        self, request: pb2.ListModelVersionsRequest, context: Context
    ) -> pb2.ListModelVersionsResponse:
        """A page of versions, the newest first."""
        async with self._guard.reported(context, "ListModelVersions"):
            return await self._engine.run(self._versions, request)

    async def PromoteModel(
        self, request: pb2.PromoteModelRequest, context: Context
    ) -> pb2.PromoteModelResponse:
        """The version behind the alias, loaded before it is there."""
        async with self._guard.reported(context, "PromoteModel"):
            version = await self._engine.run(
                publishing.promote,
                self._engine.library,
                request.name,
                request.alias,
                request.force,
                self._objection,
            )
            return pb2.PromoteModelResponse(version=self._told(version))

    async def RollBackModel(
        self, request: pb2.RollBackModelRequest, context: Context
    ) -> pb2.RollBackModelResponse:
        """The version behind the alias, which was there before."""
        async with self._guard.reported(context, "RollBackModel"):
            library = self._engine.library
            version = await self._engine.run(
                publishing.roll_back, library, request.name, request.alias
            )
            return pb2.RollBackModelResponse(version=self._told(version))

    async def DeleteModel(
        self, request: pb2.DeleteModelRequest, context: Context
    ) -> pb2.DeleteModelResponse:
        """Nothing; the model is gone."""
        async with self._guard.reported(context, "DeleteModel"):
            await self._engine.run(publishing.delete, self._engine.library, request.name)
            return pb2.DeleteModelResponse()

    def _versions(self, request: pb2.ListModelVersionsRequest) -> pb2.ListModelVersionsResponse:
        name = checked_name(request.name, "name")
        versions = publishing.versions_of(self._engine.library)
        found = {_key(each.number): each for each in versions.of(name)}
        if not found:
            self._engine.library.entry(name)
        keys, following = page(sorted(found), request.page_size, request.page_token)
        aliases = versions.aliases(name)
        told = [convert_versions.version(found[key], aliases) for key in keys]
        return pb2.ListModelVersionsResponse(versions=told, next_page_token=following)

    def _told(self, version: Version) -> pb2.ModelVersion:
        versions = publishing.versions_of(self._engine.library)
        return convert_versions.version(version, versions.aliases(version.detector))


def _key(number: int) -> str:
    """A version's place in the list, of which the newest is the first."""
    return f"{LARGEST_NUMBER - number:010}"
