from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sweepnet_protos.v1 import audio_pb2 as _audio_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReplyDensity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLY_DENSITY_UNSPECIFIED: _ClassVar[ReplyDensity]
    REPLY_DENSITY_WINDOWS: _ClassVar[ReplyDensity]
    REPLY_DENSITY_AGGREGATES: _ClassVar[ReplyDensity]
    REPLY_DENSITY_EVENTS: _ClassVar[ReplyDensity]
REPLY_DENSITY_UNSPECIFIED: ReplyDensity
REPLY_DENSITY_WINDOWS: ReplyDensity
REPLY_DENSITY_AGGREGATES: ReplyDensity
REPLY_DENSITY_EVENTS: ReplyDensity

class Aggregation(_message.Message):
    __slots__ = ("aggregate_over_s", "softmax_temperature")
    AGGREGATE_OVER_S_FIELD_NUMBER: _ClassVar[int]
    SOFTMAX_TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    aggregate_over_s: float
    softmax_temperature: float
    def __init__(self, aggregate_over_s: _Optional[float] = ..., softmax_temperature: _Optional[float] = ...) -> None: ...

class SpotConfig(_message.Message):
    __slots__ = ("detectors", "audio_format", "channels", "thresholds", "aggregation", "include_features", "reply_density", "start_sample", "include_explanations", "false_alarms_per_hour", "labels", "reply_interval_s", "capture_time")
    class ThresholdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FORMAT_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_FEATURES_FIELD_NUMBER: _ClassVar[int]
    REPLY_DENSITY_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    FALSE_ALARMS_PER_HOUR_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REPLY_INTERVAL_S_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_TIME_FIELD_NUMBER: _ClassVar[int]
    detectors: _containers.RepeatedScalarFieldContainer[str]
    audio_format: _audio_pb2.AudioFormat
    channels: _containers.RepeatedScalarFieldContainer[int]
    thresholds: _containers.ScalarMap[str, float]
    aggregation: Aggregation
    include_features: bool
    reply_density: ReplyDensity
    start_sample: int
    include_explanations: bool
    false_alarms_per_hour: float
    labels: _containers.RepeatedScalarFieldContainer[str]
    reply_interval_s: float
    capture_time: _timestamp_pb2.Timestamp
    def __init__(self, detectors: _Optional[_Iterable[str]] = ..., audio_format: _Optional[_Union[_audio_pb2.AudioFormat, _Mapping]] = ..., channels: _Optional[_Iterable[int]] = ..., thresholds: _Optional[_Mapping[str, float]] = ..., aggregation: _Optional[_Union[Aggregation, _Mapping]] = ..., include_features: bool = ..., reply_density: _Optional[_Union[ReplyDensity, str]] = ..., start_sample: _Optional[int] = ..., include_explanations: bool = ..., false_alarms_per_hour: _Optional[float] = ..., labels: _Optional[_Iterable[str]] = ..., reply_interval_s: _Optional[float] = ..., capture_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamingSpotRequest(_message.Message):
    __slots__ = ("config", "audio", "gap", "chunks")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    config: SpotConfig
    audio: bytes
    gap: _audio_pb2.AudioGap
    chunks: _audio_pb2.ChannelChunks
    def __init__(self, config: _Optional[_Union[SpotConfig, _Mapping]] = ..., audio: _Optional[bytes] = ..., gap: _Optional[_Union[_audio_pb2.AudioGap, _Mapping]] = ..., chunks: _Optional[_Union[_audio_pb2.ChannelChunks, _Mapping]] = ...) -> None: ...

class StreamingSpotResponse(_message.Message):
    __slots__ = ("opened", "update", "summary")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    opened: SpotOpened
    update: SpotUpdate
    summary: SpotSummary
    def __init__(self, opened: _Optional[_Union[SpotOpened, _Mapping]] = ..., update: _Optional[_Union[SpotUpdate, _Mapping]] = ..., summary: _Optional[_Union[SpotSummary, _Mapping]] = ...) -> None: ...

class SpotRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: SpotConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[SpotConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class SpotResponse(_message.Message):
    __slots__ = ("opened", "channels", "summary")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    opened: SpotOpened
    channels: _containers.RepeatedCompositeFieldContainer[ChannelUpdate]
    summary: SpotSummary
    def __init__(self, opened: _Optional[_Union[SpotOpened, _Mapping]] = ..., channels: _Optional[_Iterable[_Union[ChannelUpdate, _Mapping]]] = ..., summary: _Optional[_Union[SpotSummary, _Mapping]] = ...) -> None: ...

class SpotOpened(_message.Message):
    __slots__ = ("sample_rate_hz", "channel_count", "channels", "detectors")
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    DETECTORS_FIELD_NUMBER: _ClassVar[int]
    sample_rate_hz: int
    channel_count: int
    channels: _containers.RepeatedScalarFieldContainer[int]
    detectors: _containers.RepeatedCompositeFieldContainer[OpenedDetector]
    def __init__(self, sample_rate_hz: _Optional[int] = ..., channel_count: _Optional[int] = ..., channels: _Optional[_Iterable[int]] = ..., detectors: _Optional[_Iterable[_Union[OpenedDetector, _Mapping]]] = ...) -> None: ...

class OpenedDetector(_message.Message):
    __slots__ = ("name", "labels", "thresholds", "window_s", "hop_s", "band_centres_hz")
    class ThresholdsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_S_FIELD_NUMBER: _ClassVar[int]
    HOP_S_FIELD_NUMBER: _ClassVar[int]
    BAND_CENTRES_HZ_FIELD_NUMBER: _ClassVar[int]
    name: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    thresholds: _containers.ScalarMap[str, float]
    window_s: float
    hop_s: float
    band_centres_hz: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, name: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., thresholds: _Optional[_Mapping[str, float]] = ..., window_s: _Optional[float] = ..., hop_s: _Optional[float] = ..., band_centres_hz: _Optional[_Iterable[float]] = ...) -> None: ...

class SpotUpdate(_message.Message):
    __slots__ = ("read_until", "channels")
    READ_UNTIL_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    read_until: int
    channels: _containers.RepeatedCompositeFieldContainer[ChannelUpdate]
    def __init__(self, read_until: _Optional[int] = ..., channels: _Optional[_Iterable[_Union[ChannelUpdate, _Mapping]]] = ...) -> None: ...

class ChannelUpdate(_message.Message):
    __slots__ = ("channel", "detector", "windows", "aggregates", "events", "read_until", "features", "explanations", "went_over")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    AGGREGATES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    READ_UNTIL_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    WENT_OVER_FIELD_NUMBER: _ClassVar[int]
    channel: int
    detector: str
    windows: _containers.RepeatedCompositeFieldContainer[WindowScore]
    aggregates: _containers.RepeatedCompositeFieldContainer[Aggregate]
    events: _containers.RepeatedCompositeFieldContainer[KeywordEvent]
    read_until: int
    features: Features
    explanations: _containers.RepeatedCompositeFieldContainer[SpotExplanation]
    went_over: OpenedDetector
    def __init__(self, channel: _Optional[int] = ..., detector: _Optional[str] = ..., windows: _Optional[_Iterable[_Union[WindowScore, _Mapping]]] = ..., aggregates: _Optional[_Iterable[_Union[Aggregate, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[KeywordEvent, _Mapping]]] = ..., read_until: _Optional[int] = ..., features: _Optional[_Union[Features, _Mapping]] = ..., explanations: _Optional[_Iterable[_Union[SpotExplanation, _Mapping]]] = ..., went_over: _Optional[_Union[OpenedDetector, _Mapping]] = ...) -> None: ...

class WindowScore(_message.Message):
    __slots__ = ("start_sample", "end_sample", "scores", "warming")
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    END_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    WARMING_FIELD_NUMBER: _ClassVar[int]
    start_sample: int
    end_sample: int
    scores: _containers.RepeatedScalarFieldContainer[float]
    warming: bool
    def __init__(self, start_sample: _Optional[int] = ..., end_sample: _Optional[int] = ..., scores: _Optional[_Iterable[float]] = ..., warming: bool = ...) -> None: ...

class Aggregate(_message.Message):
    __slots__ = ("label", "maximum", "mean", "softmax")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    SOFTMAX_FIELD_NUMBER: _ClassVar[int]
    label: str
    maximum: float
    mean: float
    softmax: float
    def __init__(self, label: _Optional[str] = ..., maximum: _Optional[float] = ..., mean: _Optional[float] = ..., softmax: _Optional[float] = ...) -> None: ...

class KeywordEvent(_message.Message):
    __slots__ = ("label", "start_sample", "end_sample", "peak_sample", "score", "start_time")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    END_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    PEAK_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    label: str
    start_sample: int
    end_sample: int
    peak_sample: int
    score: float
    start_time: _timestamp_pb2.Timestamp
    def __init__(self, label: _Optional[str] = ..., start_sample: _Optional[int] = ..., end_sample: _Optional[int] = ..., peak_sample: _Optional[int] = ..., score: _Optional[float] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Features(_message.Message):
    __slots__ = ("start_sample", "hop_samples", "band_count", "values")
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    HOP_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    BAND_COUNT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    start_sample: float
    hop_samples: float
    band_count: int
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, start_sample: _Optional[float] = ..., hop_samples: _Optional[float] = ..., band_count: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class SpotExplanation(_message.Message):
    __slots__ = ("label", "score", "start_sample", "end_sample", "effective_start_sample", "effective_end_sample", "features", "contributions", "falls")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    END_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_END_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    FALLS_FIELD_NUMBER: _ClassVar[int]
    label: str
    score: float
    start_sample: int
    end_sample: int
    effective_start_sample: int
    effective_end_sample: int
    features: Features
    contributions: _containers.RepeatedScalarFieldContainer[float]
    falls: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, label: _Optional[str] = ..., score: _Optional[float] = ..., start_sample: _Optional[int] = ..., end_sample: _Optional[int] = ..., effective_start_sample: _Optional[int] = ..., effective_end_sample: _Optional[int] = ..., features: _Optional[_Union[Features, _Mapping]] = ..., contributions: _Optional[_Iterable[float]] = ..., falls: _Optional[_Iterable[float]] = ...) -> None: ...

class SpotSummary(_message.Message):
    __slots__ = ("sample_count", "sample_rate_hz", "channels")
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    sample_count: int
    sample_rate_hz: int
    channels: _containers.RepeatedCompositeFieldContainer[ChannelSummary]
    def __init__(self, sample_count: _Optional[int] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[_Iterable[_Union[ChannelSummary, _Mapping]]] = ...) -> None: ...

class ChannelSummary(_message.Message):
    __slots__ = ("channel", "detector", "aggregates", "events", "window_count", "sample_count")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    AGGREGATES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_COUNT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    channel: int
    detector: str
    aggregates: _containers.RepeatedCompositeFieldContainer[Aggregate]
    events: _containers.RepeatedCompositeFieldContainer[KeywordEvent]
    window_count: int
    sample_count: int
    def __init__(self, channel: _Optional[int] = ..., detector: _Optional[str] = ..., aggregates: _Optional[_Iterable[_Union[Aggregate, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[KeywordEvent, _Mapping]]] = ..., window_count: _Optional[int] = ..., sample_count: _Optional[int] = ...) -> None: ...
