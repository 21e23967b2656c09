from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sweepnet_protos.v1 import image_detector_pb2 as _image_detector_pb2
from sweepnet_protos.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CaptureAnswer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAPTURE_ANSWER_UNSPECIFIED: _ClassVar[CaptureAnswer]
    CAPTURE_ANSWER_YES: _ClassVar[CaptureAnswer]
    CAPTURE_ANSWER_NO: _ClassVar[CaptureAnswer]
CAPTURE_ANSWER_UNSPECIFIED: CaptureAnswer
CAPTURE_ANSWER_YES: CaptureAnswer
CAPTURE_ANSWER_NO: CaptureAnswer

class Capture(_message.Message):
    __slots__ = ("name", "kind", "detector", "label", "score", "threshold", "answer", "create_time", "expire_time", "start_s", "end_s", "area", "size_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: _model_pb2.ModelKind
    detector: str
    label: str
    score: float
    threshold: float
    answer: CaptureAnswer
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    start_s: float
    end_s: float
    area: _image_detector_pb2.Area
    size_bytes: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[_model_pb2.ModelKind, str]] = ..., detector: _Optional[str] = ..., label: _Optional[str] = ..., score: _Optional[float] = ..., threshold: _Optional[float] = ..., answer: _Optional[_Union[CaptureAnswer, str]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., area: _Optional[_Union[_image_detector_pb2.Area, _Mapping]] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ListCapturesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "detector", "unanswered")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    UNANSWERED_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    detector: str
    unanswered: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., detector: _Optional[str] = ..., unanswered: bool = ...) -> None: ...

class ListCapturesResponse(_message.Message):
    __slots__ = ("captures", "next_page_token")
    CAPTURES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    captures: _containers.RepeatedCompositeFieldContainer[Capture]
    next_page_token: str
    def __init__(self, captures: _Optional[_Iterable[_Union[Capture, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetCaptureRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetCaptureResponse(_message.Message):
    __slots__ = ("capture", "content")
    CAPTURE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    capture: Capture
    content: bytes
    def __init__(self, capture: _Optional[_Union[Capture, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class AnswerCaptureRequest(_message.Message):
    __slots__ = ("name", "answer")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    name: str
    answer: CaptureAnswer
    def __init__(self, name: _Optional[str] = ..., answer: _Optional[_Union[CaptureAnswer, str]] = ...) -> None: ...

class AnswerCaptureResponse(_message.Message):
    __slots__ = ("capture",)
    CAPTURE_FIELD_NUMBER: _ClassVar[int]
    capture: Capture
    def __init__(self, capture: _Optional[_Union[Capture, _Mapping]] = ...) -> None: ...

class DeleteCaptureRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteCaptureResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
