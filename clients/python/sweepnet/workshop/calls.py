"""Each RPC of the workshop once."""

from __future__ import annotations

from typing import Any

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from sweepnet._calls import Call
from sweepnet_protos.v1 import capture_pb2, data_set_pb2, model_pb2, trainer_pb2


def _call(path: str, request: Any, response: Any) -> Call[Any, Any]:
    return Call(path, request.SerializeToString, response.FromString)


_MODELS, _TRAINER = "/sweepnet.v1.ModelService/", "/sweepnet.v1.TrainerService/"
_SETS, _CAPTURES = "/sweepnet.v1.DataSetService/", "/sweepnet.v1.CaptureService/"

START = _call(
    f"{_TRAINER}StartTraining", trainer_pb2.StartTrainingRequest, operations_pb2.Operation
)
RESUME = _call(
    f"{_TRAINER}ResumeTraining", trainer_pb2.ResumeTrainingRequest, operations_pb2.Operation
)
LOG = _call(
    f"{_TRAINER}GetTrainingLog",
    trainer_pb2.GetTrainingLogRequest,
    trainer_pb2.GetTrainingLogResponse,
)
COMPARE = _call(
    f"{_TRAINER}StartComparison", trainer_pb2.StartComparisonRequest, operations_pb2.Operation
)
DELETE_JOB = _call(
    "/google.longrunning.Operations/DeleteOperation", operations_pb2.DeleteOperationRequest, Empty
)
VERSIONS = _call(
    f"{_MODELS}ListModelVersions",
    model_pb2.ListModelVersionsRequest,
    model_pb2.ListModelVersionsResponse,
)
PROMOTE = _call(
    f"{_MODELS}PromoteModel", model_pb2.PromoteModelRequest, model_pb2.PromoteModelResponse
)
ROLL_BACK = _call(
    f"{_MODELS}RollBackModel", model_pb2.RollBackModelRequest, model_pb2.RollBackModelResponse
)
DELETE_MODEL = _call(
    f"{_MODELS}DeleteModel", model_pb2.DeleteModelRequest, model_pb2.DeleteModelResponse
)
CREATE = _call(
    f"{_SETS}CreateDataSet", data_set_pb2.CreateDataSetRequest, data_set_pb2.CreateDataSetResponse
)
UPLOAD = _call(
    f"{_SETS}UploadChunk", data_set_pb2.UploadChunkRequest, data_set_pb2.UploadChunkResponse
)
FINISH = _call(
    f"{_SETS}FinishDataSet", data_set_pb2.FinishDataSetRequest, data_set_pb2.FinishDataSetResponse
)
LIST_SETS = _call(
    f"{_SETS}ListDataSets", data_set_pb2.ListDataSetsRequest, data_set_pb2.ListDataSetsResponse
)
DELETE_SET = _call(
    f"{_SETS}DeleteDataSet", data_set_pb2.DeleteDataSetRequest, data_set_pb2.DeleteDataSetResponse
)
LIST_CAPTURES = _call(
    f"{_CAPTURES}ListCaptures", capture_pb2.ListCapturesRequest, capture_pb2.ListCapturesResponse
)
GET_CAPTURE = _call(
    f"{_CAPTURES}GetCapture", capture_pb2.GetCaptureRequest, capture_pb2.GetCaptureResponse
)
ANSWER_CAPTURE = _call(
    f"{_CAPTURES}AnswerCapture",
    capture_pb2.AnswerCaptureRequest,
    capture_pb2.AnswerCaptureResponse,
)
DELETE_CAPTURE = _call(
    f"{_CAPTURES}DeleteCapture",
    capture_pb2.DeleteCaptureRequest,
    capture_pb2.DeleteCaptureResponse,
)
