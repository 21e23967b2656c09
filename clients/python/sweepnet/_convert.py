"""Between the wire and the client's records: words, and what their scores were made from.

Only this module, `_convert_pictures`, `_convert_models` and `_calls` see the contract's classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from sweepnet import _checks
from sweepnet._checks import checked
from sweepnet.errors import InvalidInput
from sweepnet.inputs import ChannelChunk, Gap
from sweepnet.options import SpotOptions, StreamOptions
from sweepnet.results import (
    Aggregate,
    ChannelSummary,
    ChannelUpdate,
    Event,
    Features,
    OpenedDetector,
    SpotExplanation,
    SpotOpened,
    SpotSummary,
    SpotUpdate,
    WindowScore,
)
from sweepnet_protos.v1 import audio_pb2, keyword_spotter_pb2

LAST_SAMPLE = 2**62 - 1


def resource(name: str) -> str:
    """`welcome` and `detectors/welcome` are the same. Raises InvalidInput for what is no text."""
    _checks.name(name)
    return name if "/" in name else f"detectors/{name}"


def spot_config(options: StreamOptions) -> keyword_spotter_pb2.StreamingSpotRequest:
    """The first message of a stream; TypeError or InvalidInput where an option is wrong."""
    checked(options, StreamOptions)
    encoding = options.get("encoding", "LINEAR16")
    raw = encoding != "CONTAINER"
    config = keyword_spotter_pb2.SpotConfig(
        detectors=map(resource, options.get("detectors", ())),
        audio_format=audio_pb2.AudioFormat(
            encoding=_named("encoding", audio_pb2.AudioEncoding, "AUDIO_ENCODING_", encoding),
            sample_rate_hz=options.get("rate_hz", 16_000 if raw else 0),
            channel_count=options.get("channel_count", 1 if raw else 0),
        ),
        channels=options.get("channels", ()),
        thresholds=options.get("thresholds", {}),
        aggregation=_aggregation(options),
        include_features=options.get("features", False),
        include_explanations=options.get("explanations", False),
        reply_density=_named(
            "replies",
            keyword_spotter_pb2.ReplyDensity,
            "REPLY_DENSITY_",
            options.get("replies", "windows"),
        ),
        start_sample=options.get("start_sample", 0),
        false_alarms_per_hour=options.get("false_alarms_per_hour", 0.0),
        labels=options.get("labels", ()),
        reply_interval_s=options.get("reply_interval_s", 0.0),
    )
    if "capture_time" in options:
        config.capture_time.FromDatetime(options["capture_time"])
    return keyword_spotter_pb2.StreamingSpotRequest(config=config)


def _named(option: str, enum: Any, prefix: str, value: str) -> Any:
    """The number of an enum's value; raises InvalidInput with the names that there are."""
    names = [name.removeprefix(prefix) for name in enum.keys()[1:]]
    if value.upper() not in names:
        raise InvalidInput(f"{option}: got {value!r}; expected one of {', '.join(names)}")
    return enum.Value(prefix + value.upper())


def _aggregation(options: SpotOptions) -> keyword_spotter_pb2.Aggregation:
    return keyword_spotter_pb2.Aggregation(
        aggregate_over_s=options.get("aggregate_over_s", 0.0),
        softmax_temperature=options.get("softmax_temperature", 0.0),
    )


def audio_request(
    chunk: bytes | Gap | ChannelChunk | Sequence[ChannelChunk],
) -> keyword_spotter_pb2.StreamingSpotRequest:
    """A later message of a stream."""
    if isinstance(chunk, Gap):
        return keyword_spotter_pb2.StreamingSpotRequest(gap=_gap(chunk))
    if isinstance(chunk, bytes | bytearray | memoryview):
        return keyword_spotter_pb2.StreamingSpotRequest(audio=bytes(chunk))
    chunks = [chunk] if isinstance(chunk, ChannelChunk) else chunk
    if isinstance(chunks, list | tuple) and all(isinstance(c, ChannelChunk) for c in chunks):
        told = audio_pb2.ChannelChunks(chunks=map(_channel_chunk, chunks))
        return keyword_spotter_pb2.StreamingSpotRequest(chunks=told)
    raise TypeError(
        f"a chunk of audio is {type(chunk).__name__}; expected bytes or an array of samples in the "
        "stream's encoding (16-bit by default), Gap, or ChannelChunk, one or a list"
    )


def _channel_chunk(chunk: ChannelChunk) -> audio_pb2.ChannelChunk:
    _checks.whole("channel", chunk.channel)
    if isinstance(chunk.content, Gap):
        return audio_pb2.ChannelChunk(channel=chunk.channel, gap=_gap(chunk.content))
    if not isinstance(chunk.content, bytes | bytearray | memoryview):
        raise TypeError(
            f"audio of channel {chunk.channel} is {type(chunk.content).__name__}; "
            "expected bytes of samples, or Gap"
        )
    return audio_pb2.ChannelChunk(channel=chunk.channel, audio=bytes(chunk.content))


def _gap(gap: Gap) -> audio_pb2.AudioGap:
    _checks.whole("gap.sample_count", gap.sample_count, LAST_SAMPLE)
    return audio_pb2.AudioGap(sample_count=gap.sample_count)


def opened(told: keyword_spotter_pb2.SpotOpened) -> SpotOpened:
    """What a stream scores."""
    detectors = tuple(map(_opened_detector, told.detectors))
    return SpotOpened(told.sample_rate_hz, told.channel_count, tuple(told.channels), detectors)


def _opened_detector(told: keyword_spotter_pb2.OpenedDetector) -> OpenedDetector:
    return OpenedDetector(
        told.name,
        tuple(told.labels),
        dict(told.thresholds),
        told.window_s,
        told.hop_s,
        tuple(told.band_centres_hz),
    )


def update(told: keyword_spotter_pb2.SpotUpdate, stream: SpotOpened) -> SpotUpdate:
    """News of a stream."""
    channels = tuple(_channel_update(channel, stream) for channel in told.channels)
    return SpotUpdate(told.read_until, told.read_until / stream.rate_hz, channels)


def _channel_update(told: keyword_spotter_pb2.ChannelUpdate, stream: SpotOpened) -> ChannelUpdate:
    labels = stream.labels_of(told.detector)
    windows = tuple(
        WindowScore(
            each.start_sample,
            each.end_sample,
            stream.rate_hz,
            dict(zip(labels, each.scores, strict=True)),
            each.warming,
        )
        for each in told.windows
    )
    features = _features(told.features, stream.rate_hz) if told.HasField("features") else None
    return ChannelUpdate(
        told.channel,
        told.detector,
        windows,
        _aggregates(told.aggregates),
        _events(told.events, told.channel, told.detector, stream.rate_hz),
        told.read_until,
        features,
        tuple(_explanation(each, stream.rate_hz) for each in told.explanations),
        _opened_detector(told.went_over) if told.HasField("went_over") else None,
    )


def _explanation(told: keyword_spotter_pb2.SpotExplanation, rate_hz: int) -> SpotExplanation:
    bands = told.features.band_count
    return SpotExplanation(
        told.start_sample,
        told.end_sample,
        rate_hz,
        told.label,
        told.score,
        told.effective_start_sample / rate_hz,
        told.effective_end_sample / rate_hz,
        _features(told.features, rate_hz),
        _rows(told.contributions, bands),
        tuple(told.falls),
    )


def _rows(values: Sequence[float], width: int) -> tuple[tuple[float, ...], ...]:
    """Values row by row."""
    flat = tuple(values)
    return tuple(flat[at : at + width] for at in range(0, len(flat), width)) if width else ()


def _features(told: keyword_spotter_pb2.Features, rate_hz: int) -> Features:
    rows = _rows(told.values, told.band_count)
    return Features(told.start_sample / rate_hz, told.hop_samples / rate_hz, rows)


def _aggregates(told: Sequence[keyword_spotter_pb2.Aggregate]) -> tuple[Aggregate, ...]:
    return tuple(Aggregate(each.label, each.maximum, each.mean, each.softmax) for each in told)


def _events(
    told: Sequence[keyword_spotter_pb2.KeywordEvent], channel: int, detector: str, rate_hz: int
) -> tuple[Event, ...]:
    return tuple(
        Event(
            each.start_sample,
            each.end_sample,
            rate_hz,
            each.label,
            each.score,
            each.peak_sample,
            channel,
            detector,
            each.start_time.ToDatetime(UTC) if each.HasField("start_time") else None,
        )
        for each in told
    )


def summary(told: keyword_spotter_pb2.SpotSummary) -> SpotSummary:
    """A stream from first sample to last."""
    rate_hz = told.sample_rate_hz
    channels = tuple(
        ChannelSummary(
            each.channel,
            each.detector,
            _aggregates(each.aggregates),
            _events(each.events, each.channel, each.detector, rate_hz),
            each.window_count,
            each.sample_count / rate_hz,
        )
        for each in told.channels
    )
    return SpotSummary(told.sample_count / rate_hz, channels)
