"""TrainerService and google.longrunning.Operations: start, watch, cancel and resume trainings."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from sweepnet_protos.v1 import trainer_pb2, trainer_pb2_grpc
from sweepnet_service.errors import InvalidInput, shown
from sweepnet_service.server import convert_jobs as convert
from sweepnet_service.server.paging import page
from sweepnet_service.server.statuses import Guard, told
from sweepnet_service.training.jobs import Jobs
from sweepnet_service.training.order import Job
from sweepnet_service.training.places import LONGEST_LOG

Context = grpc.aio.ServicerContext[Any, Any]


class Trainer(trainer_pb2_grpc.TrainerServiceServicer):
    """Takes orders for trainings and comparisons; workers carry them out."""

    def __init__(self, jobs: Jobs, guard: Guard) -> None:
        self._jobs, self._guard = jobs, guard

    async def StartTraining(
        self, request: trainer_pb2.StartTrainingRequest, context: Context
    ) -> operations_pb2.Operation:
        """The operation of a new training."""
        async with self._guard.reported(context, "StartTraining"):
            order, alone = convert.order(request), request.without_captures
            job = await self._jobs.start(order, request.request_id, without_captures=alone)
            return await _told(self._jobs, job)

    async def ResumeTraining(
        self, request: trainer_pb2.ResumeTrainingRequest, context: Context
    ) -> operations_pb2.Operation:
        """The operation of a training that goes on."""
        async with self._guard.reported(context, "ResumeTraining"):
            job = await self._jobs.resume(convert.identity(request.name))
            return await _told(self._jobs, job)

    async def GetTrainingLog(
        self, request: trainer_pb2.GetTrainingLogRequest, context: Context
    ) -> trainer_pb2.GetTrainingLogResponse:
        """The last lines that a training wrote."""
        async with self._guard.reported(context, "GetTrainingLog"):
            text = await self._jobs.log(convert.identity(request.name))
            return trainer_pb2.GetTrainingLogResponse(text=told(text, LONGEST_LOG))

    async def StartComparison(
        self, request: trainer_pb2.StartComparisonRequest, context: Context
    ) -> operations_pb2.Operation:
        """The operation of a new comparison."""
        async with self._guard.reported(context, "StartComparison"):
            job = await self._jobs.start(convert.comparison_order(request))
            return await _told(self._jobs, job)


class Operations(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]
    """Trainings and comparisons as long-running operations."""

    def __init__(self, jobs: Jobs, guard: Guard) -> None:
        self._jobs, self._guard = jobs, guard

    async def GetOperation(
        self, request: operations_pb2.GetOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        """The operation as it is."""
        async with self._guard.reported(context, "GetOperation"):
            job = await self._jobs.get(convert.identity(request.name))
            return await _told(self._jobs, job)

    async def ListOperations(
        self, request: operations_pb2.ListOperationsRequest, context: Context
    ) -> operations_pb2.ListOperationsResponse:
        """A page of operations, in order of name, in short."""
        async with self._guard.reported(context, "ListOperations"):
            if request.filter:
                raise InvalidInput(
                    "filter", f"got {shown(request.filter)}; filters are not supported"
                )
            named = {job.id: job for job in await self._jobs.all()}
            keys, following = page(sorted(named), request.page_size, request.page_token)
            page_of = [named[key] for key in keys]
            listed = await asyncio.to_thread(convert.listed, self._jobs.library, page_of)
            return operations_pb2.ListOperationsResponse(
                operations=listed, next_page_token=following
            )

    async def CancelOperation(
        self, request: operations_pb2.CancelOperationRequest, context: Context
    ) -> Empty:
        """Asks a training to stop."""
        async with self._guard.reported(context, "CancelOperation"):
            await self._jobs.cancel(convert.identity(request.name))
            return Empty()

    async def DeleteOperation(
        self, request: operations_pb2.DeleteOperationRequest, context: Context
    ) -> Empty:
        """Forgets a training that has ended."""
        async with self._guard.reported(context, "DeleteOperation"):
            await self._jobs.forget(convert.identity(request.name))
            return Empty()

    async def WaitOperation(
        self, request: operations_pb2.WaitOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        """The operation once it has ended, or as it is after the timeout."""
        async with self._guard.reported(context, "WaitOperation"):
            timeout_s = convert.seconds(request.timeout)
            job = await self._jobs.wait(convert.identity(request.name), timeout_s)
            return await _told(self._jobs, job)


async def _told(jobs: Jobs, job: Job) -> operations_pb2.Operation:
    """A job's operation: its model may have to be loaded, and nobody else waits for that."""
    return await asyncio.to_thread(convert.operation, jobs.library, job)
