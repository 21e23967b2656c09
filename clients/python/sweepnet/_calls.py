"""Each RPC once: its path, and the classes of its messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from sweepnet_protos.v1 import (
    image_detector_pb2,
    keyword_spotter_pb2,
    model_pb2,
    trainer_pb2,
)

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True)
class Call(Generic[Q, R]):
    """An RPC: full path, request to bytes, bytes to response."""

    path: str
    encode: Callable[[Q], bytes]
    decode: Callable[[bytes], R]


def _call(path: str, request: Any, response: Any) -> Call[Any, Any]:
    return Call(path, request.SerializeToString, response.FromString)


_SPOTTER = "/sweepnet.v1.KeywordSpotterService/"
_FINDER = "/sweepnet.v1.ImageDetectorService/"
_OPERATIONS = "/google.longrunning.Operations/"

STREAMING_SPOT: Call[
    keyword_spotter_pb2.StreamingSpotRequest, keyword_spotter_pb2.StreamingSpotResponse
] = _call(
    f"{_SPOTTER}StreamingSpot",
    keyword_spotter_pb2.StreamingSpotRequest,
    keyword_spotter_pb2.StreamingSpotResponse,
)
DETECT: Call[image_detector_pb2.DetectRequest, image_detector_pb2.DetectResponse] = _call(
    f"{_FINDER}Detect",
    image_detector_pb2.DetectRequest,
    image_detector_pb2.DetectResponse,
)
BATCH_DETECT: Call[
    image_detector_pb2.BatchDetectRequest, image_detector_pb2.BatchDetectResponse
] = _call(
    f"{_FINDER}BatchDetect",
    image_detector_pb2.BatchDetectRequest,
    image_detector_pb2.BatchDetectResponse,
)
STREAMING_DETECT: Call[
    image_detector_pb2.StreamingDetectRequest, image_detector_pb2.StreamingDetectResponse
] = _call(
    f"{_FINDER}StreamingDetect",
    image_detector_pb2.StreamingDetectRequest,
    image_detector_pb2.StreamingDetectResponse,
)
LIST_MODELS: Call[model_pb2.ListModelsRequest, model_pb2.ListModelsResponse] = _call(
    "/sweepnet.v1.ModelService/ListModels",
    model_pb2.ListModelsRequest,
    model_pb2.ListModelsResponse,
)
GET_MODEL: Call[model_pb2.GetModelRequest, model_pb2.GetModelResponse] = _call(
    "/sweepnet.v1.ModelService/GetModel",
    model_pb2.GetModelRequest,
    model_pb2.GetModelResponse,
)
START_TRAINING: Call[trainer_pb2.StartTrainingRequest, operations_pb2.Operation] = _call(
    "/sweepnet.v1.TrainerService/StartTraining",
    trainer_pb2.StartTrainingRequest,
    operations_pb2.Operation,
)
GET_OPERATION: Call[operations_pb2.GetOperationRequest, operations_pb2.Operation] = _call(
    f"{_OPERATIONS}GetOperation", operations_pb2.GetOperationRequest, operations_pb2.Operation
)
WAIT_OPERATION: Call[operations_pb2.WaitOperationRequest, operations_pb2.Operation] = _call(
    f"{_OPERATIONS}WaitOperation", operations_pb2.WaitOperationRequest, operations_pb2.Operation
)
CANCEL_OPERATION: Call[operations_pb2.CancelOperationRequest, Empty] = _call(
    f"{_OPERATIONS}CancelOperation", operations_pb2.CancelOperationRequest, Empty
)
LIST_OPERATIONS: Call[
    operations_pb2.ListOperationsRequest, operations_pb2.ListOperationsResponse
] = _call(
    f"{_OPERATIONS}ListOperations",
    operations_pb2.ListOperationsRequest,
    operations_pb2.ListOperationsResponse,
)

# grpc.health.v1, whose package the client does without: an empty request asks for the whole server,
# and a response of SERVING is field 1 with value 1.
HEALTH: Call[None, bool] = Call(
    "/grpc.health.v1.Health/Check", lambda _: b"", lambda data: data == b"\x08\x01"
)

UNCHANGING = (
    *(DETECT, BATCH_DETECT, LIST_MODELS, GET_MODEL),
    *(GET_OPERATION, WAIT_OPERATION, LIST_OPERATIONS, HEALTH),
)
"""Unary calls that change nothing: gRPC may make them again where the server was away."""
