"""All that a server needs for trainings: orders, records, data sets, a worker beside it.

What the records take is loaded with the first order: a server that only serves is ready before.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import grpc
import structlog
from google.longrunning import operations_pb2_grpc

from sweepnet_protos.v1 import data_set_pb2_grpc, trainer_pb2_grpc
from sweepnet_service.errors import SweepnetError
from sweepnet_service.server.attendant import Attendant
from sweepnet_service.server.data_sets import DataSets
from sweepnet_service.server.settings import Settings
from sweepnet_service.server.statuses import Guard
from sweepnet_service.server.trainer import Operations, Trainer
from sweepnet_service.store import Library
from sweepnet_service.training.jobs import Jobs
from sweepnet_service.training.keeping import Keeping

log = structlog.get_logger("sweepnet")


@dataclass(frozen=True)
class Trainings:
    """The trainings of one server."""

    jobs: Jobs
    keeping: Keeping
    attendant: Attendant

    @classmethod
    def of(cls, settings: Settings, library: Library) -> Trainings:
        """As the settings say."""
        keeping = Keeping(
            settings.models, settings.records, settings.data_sets, settings.max_data_set_bytes
        )
        models = settings.models if settings.with_worker else None
        attendant = Attendant(models, settings.records)
        jobs = Jobs(library, settings.training_roots, keeping, attendant.wake, settings.captures)
        return cls(jobs, keeping, attendant)

    def add_to(self, server: grpc.aio.Server, guard: Guard) -> None:
        """The services of trainings, operations and data sets."""
        trainer_pb2_grpc.add_TrainerServiceServicer_to_server(Trainer(self.jobs, guard), server)
        operations_pb2_grpc.add_OperationsServicer_to_server(Operations(self.jobs, guard), server)
        data_sets = DataSets(self.keeping, guard)
        data_set_pb2_grpc.add_DataSetServiceServicer_to_server(data_sets, server)

    def objection(self, candidate: str, baseline: str) -> str:
        """Why a version must not take another's place; "" where nothing was measured."""
        if self.keeping.empty:
            return ""
        from sweepnet_service.records.comparisons import ComparisonRecords

        return ComparisonRecords(self.keeping.database).objection(candidate, baseline)

    async def begin(self) -> None:
        """Go on with what an earlier server left."""
        try:
            await self.attendant.wake_for(self._waiting)
        except SweepnetError as error:
            # Who only serves need not mind.
            with suppress(OSError, ValueError):
                log.warning("records unusable", reason=error.message)

    async def close(self) -> None:
        """End the worker and let the records go."""
        await self.attendant.close()
        self.keeping.close()

    def _waiting(self) -> bool:
        if self.keeping.empty:
            return False
        from sweepnet_service.records.jobs import JobRecords

        return JobRecords(self.keeping.database).waiting()
