from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DetectConfig(_message.Message):
    __slots__ = ("detectors", "thresholds", "overlap_iou", "max_boxes", "include_score_map", "include_explanations", "region_of_interest", "tile")
    class ThresholdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_IOU_FIELD_NUMBER: _ClassVar[int]
    MAX_BOXES_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_SCORE_MAP_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    REGION_OF_INTEREST_FIELD_NUMBER: _ClassVar[int]
    TILE_FIELD_NUMBER: _ClassVar[int]
    detectors: _containers.RepeatedScalarFieldContainer[str]
    thresholds: _containers.ScalarMap[str, float]
    overlap_iou: float
    max_boxes: int
    include_score_map: bool
    include_explanations: bool
    region_of_interest: Area
    tile: bool
    def __init__(self, detectors: _Optional[_Iterable[str]] = ..., thresholds: _Optional[_Mapping[str, float]] = ..., overlap_iou: _Optional[float] = ..., max_boxes: _Optional[int] = ..., include_score_map: bool = ..., include_explanations: bool = ..., region_of_interest: _Optional[_Union[Area, _Mapping]] = ..., tile: bool = ...) -> None: ...

class Picture(_message.Message):
    __slots__ = ("image", "region_of_interest")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REGION_OF_INTEREST_FIELD_NUMBER: _ClassVar[int]
    image: bytes
    region_of_interest: Area
    def __init__(self, image: _Optional[bytes] = ..., region_of_interest: _Optional[_Union[Area, _Mapping]] = ...) -> None: ...

class DetectRequest(_message.Message):
    __slots__ = ("config", "image")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    config: DetectConfig
    image: bytes
    def __init__(self, config: _Optional[_Union[DetectConfig, _Mapping]] = ..., image: _Optional[bytes] = ...) -> None: ...

class DetectResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[PictureResult]
    def __init__(self, results: _Optional[_Iterable[_Union[PictureResult, _Mapping]]] = ...) -> None: ...

class BatchDetectRequest(_message.Message):
    __slots__ = ("config", "pictures")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    config: DetectConfig
    pictures: _containers.RepeatedCompositeFieldContainer[Picture]
    def __init__(self, config: _Optional[_Union[DetectConfig, _Mapping]] = ..., pictures: _Optional[_Iterable[_Union[Picture, _Mapping]]] = ...) -> None: ...

class BatchDetectResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[PictureAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[PictureAnswer, _Mapping]]] = ...) -> None: ...

class PictureAnswer(_message.Message):
    __slots__ = ("results", "error")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[PictureResult]
    error: _status_pb2.Status
    def __init__(self, results: _Optional[_Iterable[_Union[PictureResult, _Mapping]]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class StreamingDetectRequest(_message.Message):
    __slots__ = ("config", "image", "picture")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    config: DetectConfig
    image: bytes
    picture: Picture
    def __init__(self, config: _Optional[_Union[DetectConfig, _Mapping]] = ..., image: _Optional[bytes] = ..., picture: _Optional[_Union[Picture, _Mapping]] = ...) -> None: ...

class StreamingDetectResponse(_message.Message):
    __slots__ = ("picture_index", "results", "error")
    PICTURE_INDEX_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    picture_index: int
    results: _containers.RepeatedCompositeFieldContainer[PictureResult]
    error: _status_pb2.Status
    def __init__(self, picture_index: _Optional[int] = ..., results: _Optional[_Iterable[_Union[PictureResult, _Mapping]]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class PictureResult(_message.Message):
    __slots__ = ("detector", "width_px", "height_px", "scores", "boxes", "score_map", "explanations")
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    BOXES_FIELD_NUMBER: _ClassVar[int]
    SCORE_MAP_FIELD_NUMBER: _ClassVar[int]
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    detector: str
    width_px: int
    height_px: int
    scores: _containers.ScalarMap[str, float]
    boxes: _containers.RepeatedCompositeFieldContainer[Box]
    score_map: ScoreMap
    explanations: _containers.RepeatedCompositeFieldContainer[PictureExplanation]
    def __init__(self, detector: _Optional[str] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ..., scores: _Optional[_Mapping[str, float]] = ..., boxes: _Optional[_Iterable[_Union[Box, _Mapping]]] = ..., score_map: _Optional[_Union[ScoreMap, _Mapping]] = ..., explanations: _Optional[_Iterable[_Union[PictureExplanation, _Mapping]]] = ...) -> None: ...

class PictureExplanation(_message.Message):
    __slots__ = ("label", "score", "receptive_field", "effective_field", "relevance")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    RECEPTIVE_FIELD_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    label: str
    score: float
    receptive_field: Area
    effective_field: Area
    relevance: ScoreMap
    def __init__(self, label: _Optional[str] = ..., score: _Optional[float] = ..., receptive_field: _Optional[_Union[Area, _Mapping]] = ..., effective_field: _Optional[_Union[Area, _Mapping]] = ..., relevance: _Optional[_Union[ScoreMap, _Mapping]] = ...) -> None: ...

class Area(_message.Message):
    __slots__ = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
    X_MIN_PX_FIELD_NUMBER: _ClassVar[int]
    Y_MIN_PX_FIELD_NUMBER: _ClassVar[int]
    X_MAX_PX_FIELD_NUMBER: _ClassVar[int]
    Y_MAX_PX_FIELD_NUMBER: _ClassVar[int]
    x_min_px: float
    y_min_px: float
    x_max_px: float
    y_max_px: float
    def __init__(self, x_min_px: _Optional[float] = ..., y_min_px: _Optional[float] = ..., x_max_px: _Optional[float] = ..., y_max_px: _Optional[float] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("label", "score", "x_min_px", "y_min_px", "x_max_px", "y_max_px", "corners_px", "key_points")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    X_MIN_PX_FIELD_NUMBER: _ClassVar[int]
    Y_MIN_PX_FIELD_NUMBER: _ClassVar[int]
    X_MAX_PX_FIELD_NUMBER: _ClassVar[int]
    Y_MAX_PX_FIELD_NUMBER: _ClassVar[int]
    CORNERS_PX_FIELD_NUMBER: _ClassVar[int]
    KEY_POINTS_FIELD_NUMBER: _ClassVar[int]
    label: str
    score: float
    x_min_px: float
    y_min_px: float
    x_max_px: float
    y_max_px: float
    corners_px: _containers.RepeatedCompositeFieldContainer[Point]
    key_points: _containers.RepeatedCompositeFieldContainer[KeyPoint]
    def __init__(self, label: _Optional[str] = ..., score: _Optional[float] = ..., x_min_px: _Optional[float] = ..., y_min_px: _Optional[float] = ..., x_max_px: _Optional[float] = ..., y_max_px: _Optional[float] = ..., corners_px: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., key_points: _Optional[_Iterable[_Union[KeyPoint, _Mapping]]] = ...) -> None: ...

class KeyPoint(_message.Message):
    __slots__ = ("name", "x_px", "y_px")
    NAME_FIELD_NUMBER: _ClassVar[int]
    X_PX_FIELD_NUMBER: _ClassVar[int]
    Y_PX_FIELD_NUMBER: _ClassVar[int]
    name: str
    x_px: float
    y_px: float
    def __init__(self, name: _Optional[str] = ..., x_px: _Optional[float] = ..., y_px: _Optional[float] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x_px", "y_px")
    X_PX_FIELD_NUMBER: _ClassVar[int]
    Y_PX_FIELD_NUMBER: _ClassVar[int]
    x_px: float
    y_px: float
    def __init__(self, x_px: _Optional[float] = ..., y_px: _Optional[float] = ...) -> None: ...

class ScoreMap(_message.Message):
    __slots__ = ("row_count", "column_count", "labels", "scores", "step_x_px", "step_y_px", "start_x_px", "start_y_px")
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    COLUMN_COUNT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    STEP_X_PX_FIELD_NUMBER: _ClassVar[int]
    STEP_Y_PX_FIELD_NUMBER: _ClassVar[int]
    START_X_PX_FIELD_NUMBER: _ClassVar[int]
    START_Y_PX_FIELD_NUMBER: _ClassVar[int]
    row_count: int
    column_count: int
    labels: _containers.RepeatedScalarFieldContainer[str]
    scores: _containers.RepeatedScalarFieldContainer[float]
    step_x_px: float
    step_y_px: float
    start_x_px: float
    start_y_px: float
    def __init__(self, row_count: _Optional[int] = ..., column_count: _Optional[int] = ..., labels: _Optional[_Iterable[str]] = ..., scores: _Optional[_Iterable[float]] = ..., step_x_px: _Optional[float] = ..., step_y_px: _Optional[float] = ..., start_x_px: _Optional[float] = ..., start_y_px: _Optional[float] = ...) -> None: ...
