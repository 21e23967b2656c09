"""Trainings, comparisons and their operations between the wire and the domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, status_pb2

from sweepnet_protos.v1 import model_pb2, trainer_pb2
from sweepnet_service.errors import InvalidInput, ModelUnreadable, NotFound, shown
from sweepnet_service.server import convert_models
from sweepnet_service.server.convert_models import KINDS
from sweepnet_service.server.convert_versions import time
from sweepnet_service.server.statuses import LONGEST_MESSAGE, status_of, told
from sweepnet_service.store import Library
from sweepnet_service.training.order import Job, Order, Problem, Promotion
from sweepnet_service.training.process import error_of

STATES = {
    "queued": trainer_pb2.TRAINING_STATE_QUEUED,
    "running": trainer_pb2.TRAINING_STATE_RUNNING,
    "cancelling": trainer_pb2.TRAINING_STATE_CANCELLING,
    "succeeded": trainer_pb2.TRAINING_STATE_SUCCEEDED,
    "failed": trainer_pb2.TRAINING_STATE_FAILED,
    "cancelled": trainer_pb2.TRAINING_STATE_CANCELLED,
}
PROMOTIONS: Mapping[int, Promotion] = {
    trainer_pb2.PROMOTION_UNSPECIFIED: "unless worse",
    trainer_pb2.PROMOTION_ALWAYS: "always",
    trainer_pb2.PROMOTION_NEVER: "never",
}
OPERATIONS = "operations/"
LONGEST_WAIT_S = 86_400.0
Describe = Callable[[str], model_pb2.Model]
"""What is told of a version, by its name."""


def order(request: trainer_pb2.StartTrainingRequest) -> Order:
    """What to train."""
    kind = convert_models.kind_filter(request.kind)
    if kind is None:
        raise InvalidInput("kind", f"got {request.kind}; expected KEYWORD or IMAGE")
    if not request.data_folder and not request.data_set:
        raise InvalidInput("data_folder", "got nothing; expected a folder on the server")
    if request.promotion not in PROMOTIONS:
        raise InvalidInput("promotion", f"got {request.promotion}; expected ALWAYS or NEVER")
    settings: Mapping[str, Any] = json_format.MessageToDict(request.settings)
    return Order(
        kind,
        request.model,
        Path(request.data_folder),
        settings,
        data_set=request.data_set,
        labels=tuple(request.labels),
        base_model=request.base_model,
        budget_minutes=request.budget_minutes,
        false_alarms_per_hour=request.false_alarms_per_hour,
        promotion=PROMOTIONS[request.promotion],
    )


def comparison_order(request: trainer_pb2.StartComparisonRequest) -> Order:
    """What to compare, and on what."""
    return Order(
        "",
        request.candidate,
        Path(request.data_folder),
        task="comparison",
        data_set=request.data_set,
        baseline=request.baseline,
    )


def operation(library: Library, job: Job) -> operations_pb2.Operation:
    """A job as the long-running operation it is on the wire."""
    return _operation(job, partial(convert_models.model, library))


def listed(library: Library, jobs: Iterable[Job]) -> list[operations_pb2.Operation]:
    """Jobs as a list tells of them: without problems of their data, no model loaded for it. A page
    of whole ones could take minutes, and more than a message holds.
    """
    bare = partial(convert_models.bare_model, library)
    return [_operation(replace(job, problems=()), bare) for job in jobs]


def _operation(job: Job, describe: Describe) -> operations_pb2.Operation:
    told = operations_pb2.Operation(name=job.name, done=job.ended)
    told.metadata.Pack(_metadata(job))
    if job.state == "succeeded":
        told.response.Pack(_response(job, describe))
    elif job.state == "failed" and job.failure is not None:
        failure = job.failure
        told.error.CopyFrom(status_of(error_of(failure.kind, failure.where, failure.message)))
    elif job.state == "cancelled":
        told.error.CopyFrom(
            status_pb2.Status(code=code_pb2.CANCELLED, message="the training was cancelled")
        )
    return told


def _response(job: Job, describe: Describe) -> trainer_pb2.TrainingResult | trainer_pb2.Comparison:
    result = job.result or {}
    told = comparison(result["comparison"]) if result.get("comparison") else None
    if job.order.task == "comparison":
        return told or trainer_pb2.Comparison()
    return trainer_pb2.TrainingResult(
        model=_model(job, str(result.get("version", "")), describe),
        promoted=bool(result.get("promoted")),
        not_promoted_because=str(result.get("not_promoted_because", "")),
        comparison=told,
    )


def _model(job: Job, version: str, describe: Describe) -> model_pb2.Model:
    """The version that a training made; it never changes, but may have been deleted since."""
    try:
        return describe(version)
    except NotFound:
        problem = f"{version} has been deleted"
    except ModelUnreadable as error:
        problem = str(error)
    return model_pb2.Model(name=job.order.model, kind=KINDS[job.order.kind], error=problem)


def comparison(told: Mapping[str, Any]) -> trainer_pb2.Comparison:
    """What was measured of two versions."""
    return trainer_pb2.Comparison(
        candidate=told["candidate"],
        baseline=told["baseline"],
        figures=[trainer_pb2.ComparedFigure(**figure) for figure in told["figures"]],
        worse=told["worse"],
        data_set=told["data_set"],
    )


def _metadata(job: Job) -> trainer_pb2.TrainingMetadata:
    progress, result = job.progress, job.result or {}
    return trainer_pb2.TrainingMetadata(
        state=STATES[job.state],
        # One job of an unknown kind must not keep the others from being listed.
        kind=KINDS.get(job.order.kind, model_pb2.MODEL_KIND_UNSPECIFIED),
        model=job.order.model,
        stage=progress.stage,
        done_count=progress.done,
        total_count=progress.total,
        progress=min(progress.done / progress.total, 1.0) if progress.total else 0.0,
        seconds_left=progress.seconds_left,
        message=told(str(result.get("remark") or "") or progress.message, LONGEST_MESSAGE),
        create_time=time(job.created_s),
        update_time=time(job.updated_s),
        attempt=job.attempt,
        problems=list(map(_problem, job.problems)),
        problem_count=job.problem_count,
        task=job.order.task,
        budget_steps=job.budget_steps,
    )


def _problem(problem: Problem) -> trainer_pb2.DataProblem:
    return trainer_pb2.DataProblem(
        file=problem.file, reason=told(problem.reason, LONGEST_MESSAGE), refused=problem.refused
    )


def identity(name: str) -> str:
    """The job's id in the name of an operation."""
    if not name.startswith(OPERATIONS):
        raise InvalidInput("name", f"got {shown(name)}; expected a name such as 'operations/1f3a'")
    return name.removeprefix(OPERATIONS)


def seconds(duration: Duration) -> float | None:
    """A duration in seconds, at most a day; None where none is set."""
    if not duration.seconds and not duration.nanos:
        return None
    return min(max(duration.seconds + duration.nanos / 1e9, 0.0), LONGEST_WAIT_S)
