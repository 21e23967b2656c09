"""One stream of audio under several detectors and channels, without any gRPC.

    SpotRequest -> SpotStream -> push(frames) | gap(samples) | finish -> news -> summary

Every pair of channel and detector has a session of its own, so each is scored as if alone.
All positions are samples per channel since the stream's zero.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput, shown
from sweepnet_service.pcm import Encoding, cut, decode

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword import (
        Aggregate,
        KeywordDetector,
        KeywordEvent,
        SpotSession,
        SpotUpdate,
    )

Density = Literal["windows", "aggregates", "events"]
MOST_CHANNELS = 64
EVENTS_KEPT = 10_000
PIECE_FRAMES = 1 << 16
SHORTEST_PIECE_FRAMES = 1024
LAST_SAMPLE = 1 << 62


@dataclass(frozen=True)
class SpotRequest:
    """What a client wants of a stream; rate and channels are 0 where a file's header names them."""

    detectors: tuple[str, ...] = ()
    encoding: Encoding = "LINEAR16"
    rate_hz: int = 0
    channel_count: int = 0
    channels: tuple[int, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    false_alarms_per_hour: float | None = None
    aggregate_over_s: float | None = None
    softmax_temperature: float = 1.0
    features: bool = False
    explanations: bool = False
    density: Density = "windows"
    start_sample: int = 0

    def __post_init__(self) -> None:
        require(
            0 <= self.channel_count <= MOST_CHANNELS,
            "audio_format.channel_count",
            self.channel_count,
            f"1..{MOST_CHANNELS}",
        )
        require(
            0 <= self.start_sample < LAST_SAMPLE, "start_sample", self.start_sample, "0..2^62 - 1"
        )
        require(
            self.softmax_temperature > 0,
            "aggregation.softmax_temperature",
            self.softmax_temperature,
            "> 0",
        )
        horizon = self.aggregate_over_s
        require(horizon is None or horizon > 0, "aggregation.aggregate_over_s", horizon, ">= 0")
        rate = self.false_alarms_per_hour
        require(rate is None or rate > 0, "false_alarms_per_hour", rate, "> 0")
        for label, threshold in self.thresholds.items():
            require(0 <= threshold <= 1, f"thresholds[{shown(label)}]", threshold, "0..1")


def require(holds: bool, where: str, got: object, expected: str) -> None:
    """Raises InvalidInput unless it holds."""
    if not holds:
        raise InvalidInput(where, f"got {got}; expected {expected}")


@dataclass(frozen=True)
class OpenedDetector:
    """A detector as one stream uses it."""

    name: str
    labels: tuple[str, ...]
    thresholds: Mapping[str, float]
    window_s: float
    hop_s: float
    band_centres_hz: tuple[float, ...]


@dataclass(frozen=True)
class Opened:
    """What a stream scores."""

    rate_hz: int
    channel_count: int
    channels: tuple[int, ...]
    detectors: tuple[OpenedDetector, ...]


@dataclass(frozen=True)
class ChannelNews:
    """What one channel and detector has to tell."""

    channel: int
    detector: str
    update: SpotUpdate
    feature_start: float = 0.0
    feature_hop_samples: float = 0.0


@dataclass(frozen=True)
class News:
    """What the stream has to tell; `read_until` is how far every channel has been used."""

    read_until: int
    channels: tuple[ChannelNews, ...]


@dataclass(frozen=True)
class ChannelSummary:
    """One channel and detector from first sample to last."""

    channel: int
    detector: str
    aggregates: tuple[Aggregate, ...]
    events: tuple[KeywordEvent, ...]
    window_count: int


@dataclass(frozen=True)
class Summary:
    """The stream from first sample to last."""

    sample_count: int
    rate_hz: int
    channels: tuple[ChannelSummary, ...]


class Lane:
    """One channel under one detector: its session, its place in time and what came of it."""

    def __init__(
        self, channel: int, name: str, detector: KeywordDetector, stream: SpotRequest, zero: int
    ) -> None:
        self.channel, self.name = channel, name
        self._session = open_session(detector, stream)
        self._zero = zero
        self._frames = 0
        self._hop_samples = detector.features.hop_s * stream.rate_hz
        self._aggregates: tuple[Aggregate, ...] = ()
        self._events: deque[KeywordEvent] = deque(maxlen=EVENTS_KEPT)
        self._window_count = self._explained = 0

    def push(self, samples: Array) -> ChannelNews:
        """News of float32 (n,) samples."""
        return self._told(self._session.push(samples))

    def finish(self) -> ChannelNews:
        """The last news."""
        return self._told(self._session.finish())

    def resume(self, detector: KeywordDetector, stream: SpotRequest, zero: int) -> None:
        """Start afresh at another place in time; what was found before stays in the summary."""
        from sweepnet_service.detectors.keyword.explanation import MOST_EXPLAINED

        explanations = stream.explanations and self._explained < MOST_EXPLAINED
        self._session = open_session(detector, replace(stream, explanations=explanations))
        self._zero, self._frames = zero, 0

    def summary(self) -> ChannelSummary:
        """What has come of it so far."""
        # Updates tell events as they end, label by label.
        events = tuple(sorted(self._events, key=lambda event: (event.start, event.label)))
        return ChannelSummary(self.channel, self.name, self._aggregates, events, self._window_count)

    def _told(self, update: SpotUpdate) -> ChannelNews:
        moved = shifted(update, self._zero)
        self._aggregates = moved.aggregates or self._aggregates
        self._events.extend(moved.events)
        self._window_count += len(moved.windows)
        self._explained += len(moved.explanations)
        start = self._zero + self._frames * self._hop_samples
        self._frames += 0 if moved.features is None else len(moved.features)
        return ChannelNews(self.channel, self.name, moved, start, self._hop_samples)


class SpotStream:
    """All lanes of one stream; used by one thread at a time."""

    def __init__(
        self, request: SpotRequest, detectors: Sequence[tuple[str, KeywordDetector]]
    ) -> None:
        check_labels(request.thresholds, {x for _, each in detectors for x in each.labels})
        self._request, self._detectors = request, dict(detectors)
        self._channel_count = request.channel_count or 1
        self._channels = _checked_channels(request.channels, self._channel_count)
        self.read_until = self._told_until = request.start_sample
        self._lanes = [
            Lane(channel, name, detector, request, request.start_sample)
            for channel in self._channels
            for name, detector in detectors
        ]

    @property
    def opened(self) -> Opened:
        """What is scored."""
        named = tuple(
            opened_detector(name, detector, self._request)
            for name, detector in self._detectors.items()
        )
        return Opened(self._request.rate_hz, self._channel_count, self._channels, named)

    def push_bytes(self, data: bytes) -> News:
        """News of bytes in the declared encoding."""
        return self.push(decode(self._request.encoding, data, self._channel_count))

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Bytes in the declared encoding, cut so that no piece keeps a thread for long."""
        return cut(self._request.encoding, data, self._channel_count, self.piece_frames)

    @property
    def piece_frames(self) -> int:
        """Frames of a piece: the more sessions hear it, the shorter it is."""
        return max(SHORTEST_PIECE_FRAMES, PIECE_FRAMES // max(len(self._lanes), 1))

    def due(self, news: News) -> bool:
        """Whether to tell the client: of news, or about once a second that there are none."""
        silent = news.read_until - self._told_until
        if not news.channels and silent < self._request.rate_hz:
            return False
        self._told_until = news.read_until
        return True

    def push(self, frames: Array) -> News:
        """News of float32 (n, channels) samples."""
        self.read_until += len(frames)
        return self._news(lane.push(frames[:, lane.channel]) for lane in self._lanes)

    def gap(self, sample_count: int) -> News:
        """The end of what came before; state starts afresh `sample_count` samples later."""
        most = LAST_SAMPLE - self.read_until
        require(0 <= sample_count < most, "gap.sample_count", sample_count, f"0..{most - 1}")
        news = self.finish()
        self.read_until += sample_count
        for lane in self._lanes:
            lane.resume(self._detectors[lane.name], self._request, self.read_until)
        return News(self.read_until, news.channels)

    def finish(self) -> News:
        """The last news: windows and events that waited for more audio."""
        return self._news(lane.finish() for lane in self._lanes)

    def summary(self) -> Summary:
        """The stream so far."""
        lanes = tuple(lane.summary() for lane in self._lanes)
        sample_count = self.read_until - self._request.start_sample
        return Summary(sample_count, self._request.rate_hz, lanes)

    def _news(self, told: Iterable[ChannelNews]) -> News:
        thinned = (thin(news, self._request.density) for news in told)
        return News(self.read_until, tuple(news for news in thinned if news is not None))


def open_session(detector: KeywordDetector, stream: SpotRequest) -> SpotSession:
    """A session of a detector with the settings of a stream."""
    from sweepnet_service.detectors.keyword import SpotOptions, SpotSession

    own = {label: x for label, x in stream.thresholds.items() if label in detector.labels}
    options = SpotOptions(
        thresholds=own,
        false_alarms_per_hour=stream.false_alarms_per_hour,
        aggregate_over_s=stream.aggregate_over_s,
        softmax_temperature=stream.softmax_temperature,
        features=stream.features,
        explanations=stream.explanations,
    )
    return SpotSession(detector, stream.rate_hz, options)


def opened_detector(name: str, detector: KeywordDetector, stream: SpotRequest) -> OpenedDetector:
    """A detector with the thresholds that a stream uses."""
    return OpenedDetector(
        name,
        detector.labels,
        detector.thresholds(stream.thresholds, stream.false_alarms_per_hour),
        detector.window_s,
        detector.hop_s,
        tuple(map(float, detector.features.edges_hz[1:-1])),
    )


def shifted(update: SpotUpdate, zero: int) -> SpotUpdate:
    """The same update in the time of the stream."""
    if not zero:
        return update
    return replace(
        update,
        windows=tuple(replace(w, start=w.start + zero, end=w.end + zero) for w in update.windows),
        events=tuple(
            replace(e, start=e.start + zero, end=e.end + zero, peak=e.peak + zero)
            for e in update.events
        ),
        read_until=update.read_until + zero,
        explanations=tuple(each.placed(1, -zero) for each in update.explanations),
    )


def thin(news: ChannelNews, density: Density) -> ChannelNews | None:
    """What of the news a client of this density wants to hear."""
    update = news.update
    telling = bool(update.events or update.explanations)
    telling = telling or bool(update.features is not None and len(update.features))
    if density != "events":
        telling = telling or bool(update.windows)
    if not telling:
        return None
    return news if density == "windows" else replace(news, update=replace(update, windows=()))


def _checked_channels(channels: tuple[int, ...], channel_count: int) -> tuple[int, ...]:
    wrong = [channel for channel in channels if not 0 <= channel < channel_count]
    if wrong or len(set(channels)) < len(channels):
        raise InvalidInput(
            "channels",
            f"got {list(channels)}; expected different numbers from 0 to {channel_count - 1}, "
            f"for the audio has {channel_count} channel(s)",
        )
    return channels or tuple(range(channel_count))


def check_labels(thresholds: Mapping[str, float], labels: Collection[str]) -> None:
    """Raises InvalidInput if a threshold is given for a label that nobody has."""
    unknown = sorted(set(thresholds) - set(labels))
    if unknown:
        raise InvalidInput(
            "thresholds", f"no label named {shown(unknown[0])}; labels: {', '.join(sorted(labels))}"
        )
