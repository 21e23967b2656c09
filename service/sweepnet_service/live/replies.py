"""What a stream of audio is told: at its opening, as news come, and in short at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sweepnet_service.live.request import Density, SpotRequest

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword import Aggregate, KeywordEvent, SpotUpdate

NS = 1_000_000_000


@dataclass(frozen=True)
class Clock:
    """When each sample was captured: sample `first` at `capture_ns` since 1970."""

    capture_ns: int
    first: int
    rate_hz: int

    def time_ns(self, sample: int) -> int:
        """Nanoseconds since 1970, exact to one of them."""
        return self.capture_ns + (sample - self.first) * NS // self.rate_hz


def clock_of(request: SpotRequest) -> Clock | None:
    """The clock that the client gave, if any."""
    if request.capture_ns is None:
        return None
    return Clock(request.capture_ns, request.start_sample, request.rate_hz)


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
    went_over: OpenedDetector | None = None
    """Another version that has taken over, and told the later ones of these windows."""


@dataclass(frozen=True)
class News:
    """What the stream has to tell; `read_until` is how far every channel has been used."""

    read_until: int
    channels: tuple[ChannelNews, ...]
    clock: Clock | None = None
    urgent: bool = False
    """Not to be held back: something ended that cannot be told together with what follows."""


@dataclass(frozen=True)
class ChannelSummary:
    """One channel and detector from first sample to last."""

    channel: int
    detector: str
    aggregates: tuple[Aggregate, ...]
    events: tuple[KeywordEvent, ...]
    window_count: int
    sample_count: int


@dataclass(frozen=True)
class Summary:
    """The stream from first sample to last."""

    sample_count: int
    rate_hz: int
    channels: tuple[ChannelSummary, ...]
    clock: Clock | None = None


def shifted(update: SpotUpdate, zero: int) -> SpotUpdate:
    """The same update in the time of the stream."""
    if not zero:
        return update
    return replace(
        update,
        windows=tuple(w._replace(start=w.start + zero, end=w.end + zero) for w in update.windows),
        events=tuple(
            replace(e, start=e.start + zero, end=e.end + zero, peak=e.peak + zero)
            for e in update.events
        ),
        read_until=update.read_until + zero,
        explanations=tuple(each.placed(1, -zero) for each in update.explanations),
    )


def only(update: SpotUpdate, labels: tuple[str, ...], wanted: tuple[str, ...]) -> SpotUpdate:
    """The update of the labels wanted alone; window scores come in the order of `labels`."""
    if wanted == labels:
        return update
    columns = [labels.index(label) for label in wanted]
    by_label = {each.label: each for each in update.aggregates}
    return replace(
        update,
        windows=tuple(
            w._replace(scores=tuple(w.scores[column] for column in columns)) for w in update.windows
        ),
        aggregates=tuple(by_label[label] for label in wanted if label in by_label),
        events=tuple(event for event in update.events if event.label in wanted),
        explanations=tuple(each for each in update.explanations if each.label in wanted),
    )


def telling(update: SpotUpdate, density: Density) -> bool:
    """Whether a client of this density is told of the update by itself."""
    if update.events or update.explanations:
        return True
    if update.features is not None and len(update.features):
        return True
    return density != "events" and bool(update.windows)


def thin(news: ChannelNews, density: Density) -> ChannelNews | None:
    """What of the news a client of this density wants to hear."""
    if news.went_over is None and not telling(news.update, density):
        return None
    return news if density == "windows" else replace(news, update=replace(news.update, windows=()))
