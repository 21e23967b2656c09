"""Models and trainings between the wire and the client's records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration

from sweepnet._convert import resource
from sweepnet.errors import InvalidInput
from sweepnet.results import Model, Network, NetworkLayer, OperatingPoint, Training
from sweepnet_protos.v1 import model_pb2, trainer_pb2

KINDS = {"keyword": model_pb2.MODEL_KIND_KEYWORD, "image": model_pb2.MODEL_KIND_IMAGE}


def models_request(page_token: str) -> model_pb2.ListModelsRequest:
    """Asks for a page of models."""
    return model_pb2.ListModelsRequest(page_token=page_token)


def model_request(name: str) -> model_pb2.GetModelRequest:
    """Asks for one model."""
    return model_pb2.GetModelRequest(name=resource(name))


def model(told: model_pb2.Model) -> Model:
    """A detector that the server holds."""
    kinds = {number: name for name, number in KINDS.items()}
    return Model(
        name=told.name,
        kind=kinds.get(told.kind, ""),
        labels=tuple(told.labels),
        default_thresholds=dict(told.default_thresholds),
        operating_points=tuple(map(_operating_point, told.operating_points)),
        card=json_format.MessageToDict(told.card),
        size_bytes=told.size_bytes,
        format_version=told.format_version,
        rate_hz=told.sample_rate_hz,
        window_s=told.window_s,
        hop_s=told.hop_s,
        error=told.error,
        version=told.version.name,
    )


def whole_model(told: model_pb2.GetModelResponse) -> Model:
    """A detector with its network, where it can be used."""
    network = _network(told.network) if told.HasField("network") else None
    return replace(model(told.model), network=network)


def _network(told: model_pb2.Network) -> Network:
    return Network(tuple(told.input_shape), tuple(map(_network_layer, told.layers)))


def _network_layer(told: model_pb2.NetworkLayer) -> NetworkLayer:
    return NetworkLayer(
        path=told.path,
        layer=told.layer,
        output_shape=tuple(told.output_shape),
        parameter_count=told.parameter_count,
        multiply_add_count=told.multiply_add_count,
        receptive_field=tuple(told.receptive_field),
        stride=tuple(told.stride),
    )


def _operating_point(told: model_pb2.OperatingPoint) -> OperatingPoint:
    kind = told.WhichOneof("false_alarm_rate")
    rate = {kind: getattr(told, kind)} if kind else {}
    return OperatingPoint(
        told.label,
        told.threshold,
        told.miss_rate,
        **rate,
        measured_hours=told.measured_hours,
        extrapolated=told.extrapolated,
    )


def training_request(
    kind: str, data_folder: str, name: str, settings: Mapping[str, Any]
) -> trainer_pb2.StartTrainingRequest:
    """What to train, and on what. Raises InvalidInput for another kind."""
    if kind not in KINDS:
        raise InvalidInput(f"kind: got {kind!r}; expected {' or '.join(map(repr, KINDS))}")
    request = trainer_pb2.StartTrainingRequest(
        kind=KINDS[kind],
        model=resource(name),
        data_folder=data_folder,
    )
    request.settings.update(settings)
    return request


def watch_request(name: str) -> operations_pb2.GetOperationRequest:
    """Asks how far an operation is."""
    return operations_pb2.GetOperationRequest(name=name)


def cancel_request(name: str) -> operations_pb2.CancelOperationRequest:
    """Asks an operation to stop."""
    return operations_pb2.CancelOperationRequest(name=name)


def trainings_request(page_token: str) -> operations_pb2.ListOperationsRequest:
    """Asks for a page of operations."""
    return operations_pb2.ListOperationsRequest(name="operations", page_token=page_token)


def wait_request(name: str, timeout_s: float | None) -> operations_pb2.WaitOperationRequest:
    """Waits for an operation to end."""
    request = operations_pb2.WaitOperationRequest(name=name)
    if timeout_s is not None:
        request.timeout.CopyFrom(Duration(nanos=int(timeout_s % 1 * 1e9), seconds=int(timeout_s)))
    return request


def training(told: operations_pb2.Operation) -> Training:
    """A training as its operation tells."""
    metadata, result = trainer_pb2.TrainingMetadata(), trainer_pb2.TrainingResult()
    told.metadata.Unpack(metadata)
    state = trainer_pb2.TrainingState.Name(metadata.state).removeprefix("TRAINING_STATE_").lower()
    succeeded = told.WhichOneof("result") == "response" and told.response.Unpack(result)
    return Training(
        name=told.name,
        state=state,
        stage=metadata.stage,
        progress=metadata.progress,
        seconds_left=metadata.seconds_left if metadata.HasField("seconds_left") else None,
        message=metadata.message,
        model_name=metadata.model,
        model=model(result.model) if succeeded else None,
        error=told.error.message,
    )
