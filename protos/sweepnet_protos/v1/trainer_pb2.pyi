from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sweepnet_protos.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Promotion(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMOTION_UNSPECIFIED: _ClassVar[Promotion]
    PROMOTION_ALWAYS: _ClassVar[Promotion]
    PROMOTION_NEVER: _ClassVar[Promotion]

class TrainingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRAINING_STATE_UNSPECIFIED: _ClassVar[TrainingState]
    TRAINING_STATE_QUEUED: _ClassVar[TrainingState]
    TRAINING_STATE_RUNNING: _ClassVar[TrainingState]
    TRAINING_STATE_CANCELLING: _ClassVar[TrainingState]
    TRAINING_STATE_SUCCEEDED: _ClassVar[TrainingState]
    TRAINING_STATE_FAILED: _ClassVar[TrainingState]
    TRAINING_STATE_CANCELLED: _ClassVar[TrainingState]
PROMOTION_UNSPECIFIED: Promotion
PROMOTION_ALWAYS: Promotion
PROMOTION_NEVER: Promotion
TRAINING_STATE_UNSPECIFIED: TrainingState
TRAINING_STATE_QUEUED: TrainingState
TRAINING_STATE_RUNNING: TrainingState
TRAINING_STATE_CANCELLING: TrainingState
TRAINING_STATE_SUCCEEDED: TrainingState
TRAINING_STATE_FAILED: TrainingState
TRAINING_STATE_CANCELLED: TrainingState

class StartTrainingRequest(_message.Message):
    __slots__ = ("kind", "model", "data_folder", "settings", "data_set", "labels", "base_model", "budget_minutes", "false_alarms_per_hour", "promotion", "request_id", "without_captures")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DATA_FOLDER_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    DATA_SET_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    BUDGET_MINUTES_FIELD_NUMBER: _ClassVar[int]
    FALSE_ALARMS_PER_HOUR_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_CAPTURES_FIELD_NUMBER: _ClassVar[int]
    kind: _model_pb2.ModelKind
    model: str
    data_folder: str
    settings: _struct_pb2.Struct
    data_set: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    base_model: str
    budget_minutes: float
    false_alarms_per_hour: float
    promotion: Promotion
    request_id: str
    without_captures: bool
    def __init__(self, kind: _Optional[_Union[_model_pb2.ModelKind, str]] = ..., model: _Optional[str] = ..., data_folder: _Optional[str] = ..., settings: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., data_set: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., base_model: _Optional[str] = ..., budget_minutes: _Optional[float] = ..., false_alarms_per_hour: _Optional[float] = ..., promotion: _Optional[_Union[Promotion, str]] = ..., request_id: _Optional[str] = ..., without_captures: bool = ...) -> None: ...

class ResumeTrainingRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetTrainingLogRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetTrainingLogResponse(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class StartComparisonRequest(_message.Message):
    __slots__ = ("candidate", "baseline", "data_folder", "data_set")
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    DATA_FOLDER_FIELD_NUMBER: _ClassVar[int]
    DATA_SET_FIELD_NUMBER: _ClassVar[int]
    candidate: str
    baseline: str
    data_folder: str
    data_set: str
    def __init__(self, candidate: _Optional[str] = ..., baseline: _Optional[str] = ..., data_folder: _Optional[str] = ..., data_set: _Optional[str] = ...) -> None: ...

class Comparison(_message.Message):
    __slots__ = ("candidate", "baseline", "figures", "worse", "data_set")
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    WORSE_FIELD_NUMBER: _ClassVar[int]
    DATA_SET_FIELD_NUMBER: _ClassVar[int]
    candidate: str
    baseline: str
    figures: _containers.RepeatedCompositeFieldContainer[ComparedFigure]
    worse: bool
    data_set: str
    def __init__(self, candidate: _Optional[str] = ..., baseline: _Optional[str] = ..., figures: _Optional[_Iterable[_Union[ComparedFigure, _Mapping]]] = ..., worse: bool = ..., data_set: _Optional[str] = ...) -> None: ...

class ComparedFigure(_message.Message):
    __slots__ = ("label", "figure", "candidate", "baseline", "difference_low", "difference_high", "worse")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    FIGURE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_LOW_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_HIGH_FIELD_NUMBER: _ClassVar[int]
    WORSE_FIELD_NUMBER: _ClassVar[int]
    label: str
    figure: str
    candidate: float
    baseline: float
    difference_low: float
    difference_high: float
    worse: bool
    def __init__(self, label: _Optional[str] = ..., figure: _Optional[str] = ..., candidate: _Optional[float] = ..., baseline: _Optional[float] = ..., difference_low: _Optional[float] = ..., difference_high: _Optional[float] = ..., worse: bool = ...) -> None: ...

class TrainingMetadata(_message.Message):
    __slots__ = ("state", "kind", "model", "stage", "done_count", "total_count", "progress", "seconds_left", "message", "create_time", "update_time", "attempt", "problems", "problem_count", "task", "budget_steps")
    STATE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DONE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    BUDGET_STEPS_FIELD_NUMBER: _ClassVar[int]
    state: TrainingState
    kind: _model_pb2.ModelKind
    model: str
    stage: str
    done_count: int
    total_count: int
    progress: float
    seconds_left: float
    message: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    attempt: int
    problems: _containers.RepeatedCompositeFieldContainer[DataProblem]
    problem_count: int
    task: str
    budget_steps: int
    def __init__(self, state: _Optional[_Union[TrainingState, str]] = ..., kind: _Optional[_Union[_model_pb2.ModelKind, str]] = ..., model: _Optional[str] = ..., stage: _Optional[str] = ..., done_count: _Optional[int] = ..., total_count: _Optional[int] = ..., progress: _Optional[float] = ..., seconds_left: _Optional[float] = ..., message: _Optional[str] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ..., problems: _Optional[_Iterable[_Union[DataProblem, _Mapping]]] = ..., problem_count: _Optional[int] = ..., task: _Optional[str] = ..., budget_steps: _Optional[int] = ...) -> None: ...

class DataProblem(_message.Message):
    __slots__ = ("file", "reason", "refused")
    FILE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    file: str
    reason: str
    refused: bool
    def __init__(self, file: _Optional[str] = ..., reason: _Optional[str] = ..., refused: bool = ...) -> None: ...

class TrainingResult(_message.Message):
    __slots__ = ("model", "promoted", "not_promoted_because", "comparison")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROMOTED_FIELD_NUMBER: _ClassVar[int]
    NOT_PROMOTED_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    model: _model_pb2.Model
    promoted: bool
    not_promoted_because: str
    comparison: Comparison
    def __init__(self, model: _Optional[_Union[_model_pb2.Model, _Mapping]] = ..., promoted: bool = ..., not_promoted_because: _Optional[str] = ..., comparison: _Optional[_Union[Comparison, _Mapping]] = ...) -> None: ...
