"""Between the wire and the domain, for audio. Generated types end here and in its neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from sweepnet_protos.v1 import audio_pb2, keyword_spotter_pb2
from sweepnet_service.errors import InvalidInput
from sweepnet_service.live.replies import (
    NS,
    ChannelNews,
    ChannelSummary,
    Clock,
    News,
    Opened,
    OpenedDetector,
    Summary,
)
from sweepnet_service.live.request import Density, SpotRequest
from sweepnet_service.live.stream import Chunk, Gap, Message
from sweepnet_service.pcm import Encoding
from sweepnet_service.spotting import Reply

if TYPE_CHECKING:
    from cnn_core.arrays import Array
    from sweepnet_service.detectors.keyword import (
        Aggregate,
        KeywordEvent,
        SpotExplanation,
        WindowScore,
    )

ENCODINGS: dict[int, Encoding] = {
    audio_pb2.AUDIO_ENCODING_LINEAR16: "LINEAR16",
    audio_pb2.AUDIO_ENCODING_FLOAT32: "FLOAT32",
    audio_pb2.AUDIO_ENCODING_MULAW: "MULAW",
    audio_pb2.AUDIO_ENCODING_ALAW: "ALAW",
    audio_pb2.AUDIO_ENCODING_CONTAINER: "CONTAINER",
}
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
"""Seconds since 1970 that a Timestamp may hold."""
DENSITIES: dict[int, Density] = {
    keyword_spotter_pb2.REPLY_DENSITY_WINDOWS: "windows",
    keyword_spotter_pb2.REPLY_DENSITY_AGGREGATES: "aggregates",
    keyword_spotter_pb2.REPLY_DENSITY_EVENTS: "events",
}


def spot_config(first: keyword_spotter_pb2.StreamingSpotRequest | None) -> SpotRequest:
    """The configuration that a stream opens with."""
    got = "nothing" if first is None else first.WhichOneof("content") or "an empty message"
    if first is None or got != "config":
        raise InvalidInput("config", f"the first message held {got}; expected the configuration")
    return spot_request(first.config, "windows")


def whole_spot_config(config: keyword_spotter_pb2.SpotConfig) -> SpotRequest:
    """The configuration of a unary request."""
    return spot_request(config, "aggregates")


def spot_request(config: keyword_spotter_pb2.SpotConfig, density: Density) -> SpotRequest:
    """A configuration in the domain's terms; `density` where the client leaves it open."""
    encoding = ENCODINGS.get(config.audio_format.encoding)
    if encoding is None:
        raise InvalidInput(
            "audio_format.encoding",
            f"got {config.audio_format.encoding}; expected one of {', '.join(ENCODINGS.values())}",
        )
    return SpotRequest(
        detectors=tuple(config.detectors),
        encoding=encoding,
        rate_hz=config.audio_format.sample_rate_hz,
        channel_count=config.audio_format.channel_count,
        channels=tuple(config.channels),
        labels=tuple(config.labels),
        thresholds=dict(config.thresholds),
        false_alarms_per_hour=config.false_alarms_per_hour or None,
        aggregate_over_s=config.aggregation.aggregate_over_s or None,
        softmax_temperature=config.aggregation.softmax_temperature or 1.0,
        features=config.include_features,
        explanations=config.include_explanations,
        density=DENSITIES.get(config.reply_density, density),
        reply_interval_s=config.reply_interval_s,
        start_sample=config.start_sample,
        capture_ns=_nanoseconds(config.capture_time) if config.HasField("capture_time") else None,
    )


def _nanoseconds(time: Timestamp) -> int:
    """Since 1970; raises InvalidInput for a time that is none."""
    if not 0 <= time.nanos < NS or not FIRST_SECOND <= time.seconds <= LAST_SECOND:
        raise InvalidInput(
            "capture_time",
            f"got {time.seconds} s and {time.nanos} ns; expected a time in the years 1 to 9999",
        )
    return time.seconds * NS + time.nanos


async def audio_messages(
    requests: AsyncIterator[keyword_spotter_pb2.StreamingSpotRequest],
) -> AsyncIterator[Message]:
    """Bytes, gaps and chunks of the messages behind the first."""
    async for request in requests:
        match request.WhichOneof("content"):
            case "audio":
                yield request.audio
            case "gap":
                yield Gap(request.gap.sample_count)
            case "chunks":
                yield tuple(map(_chunk, request.chunks.chunks))
            case got:
                raise InvalidInput(
                    "content", f"got {got or 'an empty message'}; expected audio, gap or chunks"
                )


def _chunk(chunk: audio_pb2.ChannelChunk) -> Chunk:
    match chunk.WhichOneof("content"):
        case "audio":
            return Chunk(chunk.channel, chunk.audio)
        case "gap":
            return Chunk(chunk.channel, Gap(chunk.gap.sample_count))
        case _:
            raise InvalidInput("chunks.content", "got an empty chunk; expected audio or gap")


async def one_message(audio: bytes) -> AsyncIterator[Message]:
    """A stream of one message."""
    yield audio


def spot_reply(reply: Reply) -> keyword_spotter_pb2.StreamingSpotResponse:
    """One reply of a stream."""
    match reply:
        case Opened():
            return keyword_spotter_pb2.StreamingSpotResponse(opened=opened(reply))
        case News():
            told = keyword_spotter_pb2.StreamingSpotResponse()
            # Also an update of nothing is told.
            told.update.SetInParent()
            fill_update(told.update, reply)
            return told
        case Summary():
            return keyword_spotter_pb2.StreamingSpotResponse(summary=summary(reply))


def whole_spot_reply(replies: Iterable[Reply]) -> keyword_spotter_pb2.SpotResponse:
    """All replies of a stream in one."""
    whole = keyword_spotter_pb2.SpotResponse()
    for reply in replies:
        match reply:
            case Opened():
                whole.opened.CopyFrom(opened(reply))
            case News():
                for each in reply.channels:
                    fill_channel(whole.channels.add(), each, reply.clock)
            case Summary():
                whole.summary.CopyFrom(summary(reply))
    return whole


def opened(reply: Opened) -> keyword_spotter_pb2.SpotOpened:
    """What a stream scores."""
    return keyword_spotter_pb2.SpotOpened(
        sample_rate_hz=reply.rate_hz,
        channel_count=reply.channel_count,
        channels=reply.channels,
        detectors=map(_opened_detector, reply.detectors),
    )


def _opened_detector(detector: OpenedDetector) -> keyword_spotter_pb2.OpenedDetector:
    return keyword_spotter_pb2.OpenedDetector(
        name=detector.name,
        labels=detector.labels,
        thresholds=detector.thresholds,
        window_s=detector.window_s,
        hop_s=detector.hop_s,
        band_centres_hz=detector.band_centres_hz,
    )


def update(news: News) -> keyword_spotter_pb2.SpotUpdate:
    """News of a stream."""
    told = keyword_spotter_pb2.SpotUpdate()
    fill_update(told, news)
    return told


def fill_update(told: keyword_spotter_pb2.SpotUpdate, news: News) -> None:
    """Puts news of a stream where they belong: a message made by itself would be copied there,
    which takes three times as long, and live streams are told every few milliseconds.
    """
    told.read_until = news.read_until
    for each in news.channels:
        fill_channel(told.channels.add(), each, news.clock)


def fill_channel(
    told: keyword_spotter_pb2.ChannelUpdate, news: ChannelNews, clock: Clock | None
) -> None:
    """The same for news of one channel and detector."""
    heard = news.update
    told.channel, told.detector, told.read_until = news.channel, news.detector, heard.read_until
    for window in heard.windows:
        _fill_window(told.windows.add(), window)
    for aggregate in heard.aggregates:
        _fill_aggregate(told.aggregates.add(), aggregate)
    told.events.extend(map(partial(_event, clock), heard.events))
    told.explanations.extend(map(_explanation, heard.explanations))
    if news.went_over is not None:
        told.went_over.CopyFrom(_opened_detector(news.went_over))
    if heard.features is not None:
        hop_samples = news.feature_hop_samples
        told.features.CopyFrom(_features(heard.features, news.feature_start, hop_samples))


def _features(
    frames: Array, start_sample: float, hop_samples: float
) -> keyword_spotter_pb2.Features:
    return keyword_spotter_pb2.Features(
        start_sample=start_sample,
        hop_samples=hop_samples,
        band_count=frames.shape[1],
        values=frames.ravel().tolist(),
    )


def _explanation(told: SpotExplanation) -> keyword_spotter_pb2.SpotExplanation:
    return keyword_spotter_pb2.SpotExplanation(
        label=told.label,
        score=told.score,
        start_sample=round(told.start),
        end_sample=round(told.end),
        effective_start_sample=round(told.effective_start),
        effective_end_sample=round(told.effective_end),
        features=_features(told.features, told.start, told.hop),
        contributions=told.contributions.ravel().tolist(),
        falls=told.falls.tolist(),
    )


def _fill_window(told: keyword_spotter_pb2.WindowScore, window: WindowScore) -> None:
    told.start_sample, told.end_sample = window.start, window.end
    told.scores.extend(window.scores)
    told.warming = window.warming


def _fill_aggregate(told: keyword_spotter_pb2.Aggregate, aggregate: Aggregate) -> None:
    told.label, told.maximum = aggregate.label, aggregate.maximum
    told.mean, told.softmax = aggregate.mean, aggregate.softmax


def _event(clock: Clock | None, event: KeywordEvent) -> keyword_spotter_pb2.KeywordEvent:
    return keyword_spotter_pb2.KeywordEvent(
        label=event.label,
        start_sample=event.start,
        end_sample=event.end,
        peak_sample=event.peak,
        score=event.score,
        start_time=None if clock is None else _timestamp(clock.time_ns(event.start)),
    )


def _timestamp(time_ns: int) -> Timestamp:
    seconds, nanos = divmod(time_ns, NS)
    return Timestamp(seconds=seconds, nanos=nanos)


def summary(reply: Summary) -> keyword_spotter_pb2.SpotSummary:
    """A stream in short."""
    return keyword_spotter_pb2.SpotSummary(
        sample_count=reply.sample_count,
        sample_rate_hz=reply.rate_hz,
        channels=[_channel_summary(each, reply.clock) for each in reply.channels],
    )


def _channel_summary(
    channel: ChannelSummary, clock: Clock | None
) -> keyword_spotter_pb2.ChannelSummary:
    told = keyword_spotter_pb2.ChannelSummary(
        channel=channel.channel,
        detector=channel.detector,
        events=map(partial(_event, clock), channel.events),
        window_count=channel.window_count,
        sample_count=channel.sample_count,
    )
    for aggregate in channel.aggregates:
        _fill_aggregate(told.aggregates.add(), aggregate)
    return told
