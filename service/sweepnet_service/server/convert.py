"""Between the wire and the domain: with the handlers, the only place that sees generated types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING

from sweepnet_protos.v1 import audio_pb2, image_detector_pb2, keyword_spotter_pb2
from sweepnet_service.engine import DetectRequest
from sweepnet_service.errors import InvalidInput
from sweepnet_service.pcm import Encoding
from sweepnet_service.session import (
    ChannelNews,
    ChannelSummary,
    Density,
    News,
    Opened,
    OpenedDetector,
    SpotRequest,
    Summary,
)
from sweepnet_service.spotting import Gap, Message, Reply

if TYPE_CHECKING:
    from cnn_core.arrays import Array
    from sweepnet_service.detectors.image import Box, Detections, PictureExplanation
    from sweepnet_service.detectors.image.explanation import Edges
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
        thresholds=dict(config.thresholds),
        false_alarms_per_hour=config.false_alarms_per_hour or None,
        aggregate_over_s=config.aggregation.aggregate_over_s or None,
        softmax_temperature=config.aggregation.softmax_temperature or 1.0,
        features=config.include_features,
        explanations=config.include_explanations,
        density=DENSITIES.get(config.reply_density, density),
        start_sample=config.start_sample,
    )


async def audio_messages(
    requests: AsyncIterator[keyword_spotter_pb2.StreamingSpotRequest],
) -> AsyncIterator[Message]:
    """Bytes and gaps of the messages behind the first."""
    async for request in requests:
        match request.WhichOneof("content"):
            case "audio":
                yield request.audio
            case "gap":
                yield Gap(request.gap.sample_count)
            case got:
                raise InvalidInput(
                    "content", f"got {got or 'an empty message'}; expected audio or gap"
                )


async def one_message(audio: bytes) -> AsyncIterator[Message]:
    """A stream of one message."""
    yield audio


def spot_reply(reply: Reply) -> keyword_spotter_pb2.StreamingSpotResponse:
    """One reply of a stream."""
    match reply:
        case Opened():
            return keyword_spotter_pb2.StreamingSpotResponse(opened=opened(reply))
        case News():
            return keyword_spotter_pb2.StreamingSpotResponse(update=update(reply))
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
                whole.channels.extend(map(channel_update, reply.channels))
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
    channels = map(channel_update, news.channels)
    return keyword_spotter_pb2.SpotUpdate(read_until=news.read_until, channels=channels)


def channel_update(news: ChannelNews) -> keyword_spotter_pb2.ChannelUpdate:
    """News of one channel and detector."""
    told = keyword_spotter_pb2.ChannelUpdate(
        channel=news.channel,
        detector=news.detector,
        windows=map(_window, news.update.windows),
        aggregates=map(_aggregate, news.update.aggregates),
        events=map(_event, news.update.events),
        read_until=news.update.read_until,
        explanations=map(_explanation, news.update.explanations),
    )
    if news.update.features is not None:
        hop_samples = news.feature_hop_samples
        told.features.CopyFrom(_features(news.update.features, news.feature_start, hop_samples))
    return told


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


def _window(window: WindowScore) -> keyword_spotter_pb2.WindowScore:
    return keyword_spotter_pb2.WindowScore(
        start_sample=window.start,
        end_sample=window.end,
        scores=window.scores,
        warming=window.warming,
    )


def _aggregate(aggregate: Aggregate) -> keyword_spotter_pb2.Aggregate:
    return keyword_spotter_pb2.Aggregate(
        label=aggregate.label,
        maximum=aggregate.maximum,
        mean=aggregate.mean,
        softmax=aggregate.softmax,
    )


def _event(event: KeywordEvent) -> keyword_spotter_pb2.KeywordEvent:
    return keyword_spotter_pb2.KeywordEvent(
        label=event.label,
        start_sample=event.start,
        end_sample=event.end,
        peak_sample=event.peak,
        score=event.score,
    )


def summary(reply: Summary) -> keyword_spotter_pb2.SpotSummary:
    """A stream in short."""
    return keyword_spotter_pb2.SpotSummary(
        sample_count=reply.sample_count,
        sample_rate_hz=reply.rate_hz,
        channels=map(_channel_summary, reply.channels),
    )


def _channel_summary(channel: ChannelSummary) -> keyword_spotter_pb2.ChannelSummary:
    return keyword_spotter_pb2.ChannelSummary(
        channel=channel.channel,
        detector=channel.detector,
        aggregates=map(_aggregate, channel.aggregates),
        events=map(_event, channel.events),
        window_count=channel.window_count,
    )


def detect_config(config: image_detector_pb2.DetectConfig) -> DetectRequest:
    """What to look for in pictures."""
    return DetectRequest(
        detectors=tuple(config.detectors),
        thresholds=dict(config.thresholds),
        overlap_iou=config.overlap_iou or 0.5,
        max_boxes=config.max_boxes or 100,
        score_map=config.include_score_map,
        explanations=config.include_explanations,
    )


def first_detect_config(first: image_detector_pb2.StreamingDetectRequest | None) -> DetectRequest:
    """The configuration that a stream of pictures opens with."""
    got = "nothing" if first is None else first.WhichOneof("content") or "an empty message"
    if first is None or got != "config":
        raise InvalidInput("config", f"the first message held {got}; expected the configuration")
    return detect_config(first.config)


async def numbered_pictures(
    requests: AsyncIterator[image_detector_pb2.StreamingDetectRequest],
) -> AsyncIterator[tuple[int, bytes]]:
    """Pictures behind the first message, counted from 0."""
    index = 0
    async for request in requests:
        if request.WhichOneof("content") != "image":
            got = request.WhichOneof("content") or "an empty message"
            raise InvalidInput("content", f"got {got}; expected image")
        yield index, request.image
        index += 1


def picture_results(
    found: Sequence[tuple[str, Detections]],
) -> list[image_detector_pb2.PictureResult]:
    """What each detector found in a picture."""
    return [_picture_result(name, detections) for name, detections in found]


def _picture_result(name: str, found: Detections) -> image_detector_pb2.PictureResult:
    result = image_detector_pb2.PictureResult(
        detector=name,
        width_px=found.width_px,
        height_px=found.height_px,
        scores=found.scores,
        boxes=map(_box, found.boxes),
        explanations=map(_picture_explanation, found.explanations),
    )
    if found.score_map is not None:
        swept = found.score_map
        placed = _score_map(swept.scores, swept.step_px, swept.start_px, list(found.scores))
        result.score_map.CopyFrom(placed)
    return result


def _box(box: Box) -> image_detector_pb2.Box:
    corners = [image_detector_pb2.Point(x_px=x, y_px=y) for x, y in box.corners_px]
    return image_detector_pb2.Box(
        label=box.label,
        score=box.score,
        x_min_px=box.x_min_px,
        y_min_px=box.y_min_px,
        x_max_px=box.x_max_px,
        y_max_px=box.y_max_px,
        corners_px=corners,
    )


def _picture_explanation(told: PictureExplanation) -> image_detector_pb2.PictureExplanation:
    return image_detector_pb2.PictureExplanation(
        label=told.label,
        score=told.score,
        receptive_field=_area(told.field_px),
        effective_field=_area(told.effective_px),
        relevance=_score_map(told.relevance, told.step_px, told.start_px, [told.label]),
    )


def _area(edges: Edges) -> image_detector_pb2.Area:
    left, top, right, bottom = edges
    return image_detector_pb2.Area(x_min_px=left, y_min_px=top, x_max_px=right, y_max_px=bottom)


def _score_map(
    scores: Array, step_px: tuple[float, float], start_px: tuple[float, float], labels: list[str]
) -> image_detector_pb2.ScoreMap:
    """(rows, columns, labels) placed in the picture; steps and starts are (y, x)."""
    rows, columns = scores.shape[:2]
    return image_detector_pb2.ScoreMap(
        row_count=rows,
        column_count=columns,
        labels=labels,
        scores=scores.ravel().tolist(),
        step_y_px=step_px[0],
        step_x_px=step_px[1],
        start_y_px=start_px[0],
        start_x_px=start_px[1],
    )
