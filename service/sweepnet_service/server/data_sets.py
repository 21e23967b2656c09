"""DataSetService: data sets sent in pieces, to train on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc

from sweepnet_protos.v1 import data_set_pb2 as pb2
from sweepnet_protos.v1 import data_set_pb2_grpc as pb2_grpc
from sweepnet_service.server.convert_versions import time
from sweepnet_service.server.paging import page
from sweepnet_service.server.statuses import Guard
from sweepnet_service.training.keeping import Keeping

if TYPE_CHECKING:
    from sweepnet_service.records.data_sets import DataSet

Context = grpc.aio.ServicerContext[Any, Any]


class DataSets(pb2_grpc.DataSetServiceServicer):
    """Takes data sets; all work on files is done in threads."""

    def __init__(self, keeping: Keeping, guard: Guard) -> None:
        self._keeping, self._guard = keeping, guard

    async def CreateDataSet(
        self, request: pb2.CreateDataSetRequest, context: Context
    ) -> pb2.CreateDataSetResponse:
        """The data set with what there is of each file."""
        async with self._guard.reported(context, "CreateDataSet"):
            made = await asyncio.to_thread(self._created, request)
            return pb2.CreateDataSetResponse(data_set=told(made))

    async def UploadChunk(
        self, request: pb2.UploadChunkRequest, context: Context
    ) -> pb2.UploadChunkResponse:
        """How much of the file there is."""
        async with self._guard.reported(context, "UploadChunk"):
            there = await asyncio.to_thread(self._added, request)
            return pb2.UploadChunkResponse(received_bytes=there)

    async def FinishDataSet(
        self, request: pb2.FinishDataSetRequest, context: Context
    ) -> pb2.FinishDataSetResponse:
        """The data set, once every file was checked."""
        async with self._guard.reported(context, "FinishDataSet"):
            made = await asyncio.to_thread(lambda: self._keeping.sets.finish(request.name))
            return pb2.FinishDataSetResponse(data_set=told(made))

    async def GetDataSet(
        self, request: pb2.GetDataSetRequest, context: Context
    ) -> pb2.GetDataSetResponse:
        """The data set with its files."""
        async with self._guard.reported(context, "GetDataSet"):
            found = await asyncio.to_thread(lambda: self._keeping.sets.get(request.name))
            return pb2.GetDataSetResponse(data_set=told(found))

    async def ListDataSets(
        self, request: pb2.ListDataSetsRequest, context: Context
    ) -> pb2.ListDataSetsResponse:
        """A page of data sets in order of name."""
        async with self._guard.reported(context, "ListDataSets"):
            found = {
                each.name: each
                for each in await asyncio.to_thread(lambda: self._keeping.sets.all())
            }
            names, following = page(list(found), request.page_size, request.page_token)
            return pb2.ListDataSetsResponse(
                data_sets=[told(found[name]) for name in names], next_page_token=following
            )

    async def DeleteDataSet(
        self, request: pb2.DeleteDataSetRequest, context: Context
    ) -> pb2.DeleteDataSetResponse:
        """Nothing; the data set is gone."""
        async with self._guard.reported(context, "DeleteDataSet"):
            await asyncio.to_thread(self._keeping.delete_data_set, request.name)
            return pb2.DeleteDataSetResponse()

    def _added(self, request: pb2.UploadChunkRequest) -> int:
        return self._keeping.sets.add(
            request.data_set, request.path, request.offset, request.content
        )

    def _created(self, request: pb2.CreateDataSetRequest) -> DataSet:
        from sweepnet_service.records.data_sets import DataFile

        files = [DataFile(each.path, each.size_bytes, each.sha256) for each in request.files]
        return self._keeping.sets.create(request.name, files)


def told(found: DataSet) -> pb2.DataSet:
    """A data set as it is on the wire."""
    return pb2.DataSet(
        name=found.name,
        complete=found.complete,
        sha256=found.sha256,
        file_count=found.file_count,
        size_bytes=found.size_bytes,
        create_time=time(found.created_s),
        files=[
            pb2.DataFile(
                path=each.path,
                size_bytes=each.size_bytes,
                sha256=each.sha256,
                received_bytes=each.received_bytes,
            )
            for each in found.files
        ],
    )
