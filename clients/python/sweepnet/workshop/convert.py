"""Jobs, versions and data sets between the wire and the workshop's records."""

from __future__ import annotations

from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from sweepnet import _convert_models
from sweepnet._convert_models import KINDS
from sweepnet.errors import InvalidInput
from sweepnet.workshop.options import TrainOptions
from sweepnet.workshop.records import (
    Capture,
    ComparedFigure,
    Comparison,
    DataSet,
    Job,
    Problem,
    Version,
)
from sweepnet_protos.v1 import capture_pb2, data_set_pb2, model_pb2, trainer_pb2

MODELS, SETS, OPERATIONS = "detectors/", "datasets/", "operations/"
CAPTURES = "captures/"
CAPTURE_YES, CAPTURE_NO = capture_pb2.CAPTURE_ANSWER_YES, capture_pb2.CAPTURE_ANSWER_NO
PROMOTIONS = {
    "unless worse": trainer_pb2.PROMOTION_UNSPECIFIED,
    "always": trainer_pb2.PROMOTION_ALWAYS,
    "never": trainer_pb2.PROMOTION_NEVER,
}


def named(collection: str, name: str) -> str:
    """`hello` and `datasets/hello` are the same."""
    return name if name.startswith(collection) else collection + name


def data(place: str) -> dict[str, str]:
    """A data set that was sent, by its name, or a folder on the server."""
    return {"data_set" if place.startswith(SETS) else "data_folder": place}


def start(kind: str, place: str, name: str, options: TrainOptions) -> Any:
    """What to train, and on what."""
    given: dict[str, Any] = {**options}
    known = TrainOptions.__annotations__
    for option in given:
        if option not in known:
            raise TypeError(f"there is no option {option!r}; expected {', '.join(known)}")
    promotion = given.pop("promotion", "unless worse")
    if promotion not in PROMOTIONS:
        raise InvalidInput(f"promotion: got {promotion!r}; expected {', '.join(PROMOTIONS)}")
    settings, base = given.pop("settings", {}), given.pop("base_model", "")
    try:
        request = trainer_pb2.StartTrainingRequest(
            kind=KINDS.get(kind, model_pb2.MODEL_KIND_UNSPECIFIED),
            model=named(MODELS, name),
            base_model=named(MODELS, base) if base else "",
            promotion=PROMOTIONS[promotion],
            **{**data(place), **given},
        )
        request.settings.update(settings)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"train: an option cannot be sent ({error})") from None
    return request


def job(told: operations_pb2.Operation) -> Job:
    """A job as its operation tells."""
    metadata = trainer_pb2.TrainingMetadata()
    told.metadata.Unpack(metadata)
    result, compared = trainer_pb2.TrainingResult(), trainer_pb2.Comparison()
    trained = told.WhichOneof("result") == "response" and told.response.Unpack(result)
    if trained and result.HasField("comparison"):
        compared = result.comparison
    elif told.WhichOneof("result") == "response" and not trained:
        told.response.Unpack(compared)
    kinds = {number: kind for kind, number in KINDS.items()}
    state = trainer_pb2.TrainingState.Name(metadata.state).removeprefix("TRAINING_STATE_").lower()
    return Job(
        name=told.name,
        task=metadata.task or "training",
        kind=kinds.get(metadata.kind, ""),
        state=state,
        stage=metadata.stage,
        done=metadata.done_count,
        total=metadata.total_count,
        seconds_left=metadata.seconds_left if metadata.HasField("seconds_left") else None,
        message=metadata.message,
        model_name=metadata.model,
        created_s=_seconds(metadata.create_time),
        updated_s=_seconds(metadata.update_time),
        attempt=metadata.attempt,
        budget_steps=metadata.budget_steps,
        problems=tuple(Problem(x.file, x.reason, x.refused) for x in metadata.problems),
        problem_count=metadata.problem_count,
        model=_convert_models.model(result.model) if trained else None,
        version=result.model.version.name,
        promoted=result.promoted,
        not_promoted_because=result.not_promoted_because,
        comparison=comparison(compared) if compared.candidate else None,
        error=told.error.message,
    )


def comparison(told: trainer_pb2.Comparison) -> Comparison:
    """Two versions on one data set."""
    figures = tuple(
        ComparedFigure(
            each.label,
            each.figure,
            each.candidate,
            each.baseline,
            each.difference_low,
            each.difference_high,
            each.worse,
        )
        for each in told.figures
    )
    return Comparison(told.candidate, told.baseline, figures, told.worse, told.data_set)


def version(told: model_pb2.ModelVersion) -> Version:
    """A version of a detector."""
    lineage = told.lineage
    return Version(
        name=told.name,
        aliases=tuple(told.aliases),
        created_s=_seconds(told.create_time),
        size_bytes=told.size_bytes,
        sha256=told.sha256,
        metrics=json_format.MessageToDict(told.metrics),
        operation=lineage.operation,
        data_set=lineage.data_set,
        data_sha256=lineage.data_sha256,
        base_model=lineage.base_model,
        code_version=lineage.code_version,
        settings=json_format.MessageToDict(lineage.settings),
        capture_count=lineage.capture_count,
    )


def data_set(told: data_set_pb2.DataSet) -> DataSet:
    """A data set without its files."""
    return DataSet(
        told.name,
        told.complete,
        told.sha256,
        told.file_count,
        told.size_bytes,
        _seconds(told.create_time),
    )


def capture(told: capture_pb2.Capture, content: bytes = b"") -> Capture:
    """A capture, with its content if that was asked for."""
    area = told.area
    return Capture(
        name=told.name,
        kind={number: kind for kind, number in KINDS.items()}.get(told.kind, ""),
        detector=told.detector,
        label=told.label,
        score=told.score,
        threshold=told.threshold,
        answer={CAPTURE_YES: True, CAPTURE_NO: False}.get(told.answer),
        created_s=_seconds(told.create_time),
        expires_s=_seconds(told.expire_time),
        size_bytes=told.size_bytes,
        start_s=told.start_s,
        end_s=told.end_s,
        area_px=(area.x_min_px, area.y_min_px, area.x_max_px, area.y_max_px)
        if told.HasField("area")
        else None,
        content=content,
    )


def answered(name: str, answer: bool | None) -> capture_pb2.AnswerCaptureRequest:
    """What a person said; None takes it back."""
    told = capture_pb2.CAPTURE_ANSWER_UNSPECIFIED
    if answer is not None:
        told = CAPTURE_YES if answer else CAPTURE_NO
    return capture_pb2.AnswerCaptureRequest(name=named(CAPTURES, name), answer=told)


def _seconds(told: Timestamp) -> float:
    return told.seconds + told.nanos / 1e9
