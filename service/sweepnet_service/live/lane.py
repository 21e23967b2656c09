"""One channel of a stream under one detector, and one channel with a time of its own.

What is pushed comes back as parts, one for each detector, whose sessions the caller steps: alone,
or together with those of other streams.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cnn_core.arrays import Array
from sweepnet_service import metrics
from sweepnet_service.live.replies import ChannelNews, ChannelSummary, OpenedDetector, only, shifted
from sweepnet_service.live.request import LAST_SAMPLE, SpotRequest, require

if TYPE_CHECKING:
    from sweepnet_service.captures.hearing import NearlyHeard, Watch
    from sweepnet_service.detectors.keyword import (
        Aggregate,
        KeywordDetector,
        KeywordEvent,
        SpotBatch,
        SpotSession,
        SpotUpdate,
    )
    from sweepnet_service.detectors.keyword.batch import Piece

EVENTS_KEPT = 10_000


class Part(NamedTuple):
    """What one lane hears in a step, and how it tells of what that brings."""

    piece: Piece
    told: Callable[[SpotUpdate], ChannelNews]


Parts: TypeAlias = Sequence[Part]


def told(parts: Parts) -> list[ChannelNews | Exception]:
    """What comes of each part, or its error; sessions of one detector are stepped together."""
    by_batch: dict[SpotBatch, list[int]] = {}
    for place, part in enumerate(parts):
        by_batch.setdefault(part.piece.session.batch, []).append(place)
    news: dict[int, ChannelNews | Exception] = {}
    for batch, places in by_batch.items():
        updates = batch.step([parts[place].piece for place in places])
        for place, update in zip(places, updates, strict=True):
            news[place] = _news(parts[place], update)
    return [news[place] for place in range(len(parts))]


def _news(part: Part, update: SpotUpdate | Exception) -> ChannelNews | Exception:
    try:
        return update if isinstance(update, Exception) else part.told(update)
    except Exception as error:
        return error


class Lane:
    """One channel under one detector: its session, its place in time and what came of it."""

    def __init__(
        self,
        channel: int,
        name: str,
        detector: KeywordDetector,
        stream: SpotRequest,
        batch: SpotBatch,
        watch: Watch | None = None,
    ) -> None:
        self.channel, self.name = channel, name
        self._detector, self._stream, self._batch = detector, stream, batch
        self._wanted = wanted_labels(detector, stream)
        self._session = open_session(detector, stream, batch)
        self._watch, self._beside = watch, self._watched(watch)
        self._zero = stream.start_sample
        self._frames = 0
        self._hop_samples = detector.features.hop_s * stream.rate_hz
        self._aggregates: tuple[Aggregate, ...] = ()
        self._events: deque[KeywordEvent] = deque(maxlen=EVENTS_KEPT)
        self._window_count = self._explained = 0
        self._windows_metric = metrics.WINDOWS.labels(name)
        self._events_metric = metrics.DETECTIONS.labels(name)

    def push(self, samples: Array) -> Part:
        """The next float32 (n,) samples."""
        if self._beside is not None:
            self._beside.heard(samples)
        return Part(self._session.piece(samples), self._told)

    def finish(self) -> Part:
        """The end."""
        return Part(self._session.end, partial(self._told, last=True))

    def gap(self, zero: int) -> Part:
        """The end before a gap; what follows starts afresh at sample `zero`."""

        def told(update: SpotUpdate) -> ChannelNews:
            news = self._told(update, last=True)
            self._resume(zero)
            return news

        return Part(self._session.end, told)

    def _resume(self, zero: int) -> None:
        """What was found before stays in the summary."""
        from sweepnet_service.detectors.keyword.explanation import MOST_EXPLAINED

        explanations = self._stream.explanations and self._explained < MOST_EXPLAINED
        stream = replace(self._stream, explanations=explanations)
        self._session = open_session(self._detector, stream, self._batch)
        self._beside = self._watched(self._watch)
        self._zero, self._frames = zero, 0

    def _watched(self, watch: Watch | None) -> NearlyHeard | None:
        """What listens beside the session for words nearly heard, where they are kept."""
        if watch is None:
            return None
        return watch.beside(self.name, self._detector, self._stream, self._wanted)

    def summary(self, sample_count: int) -> ChannelSummary:
        """What has come of it so far."""
        # Updates tell events as they end, label by label.
        events = tuple(sorted(self._events, key=lambda event: (event.start, event.label)))
        return ChannelSummary(
            self.channel, self.name, self._aggregates, events, self._window_count, sample_count
        )

    def _told(self, update: SpotUpdate, last: bool = False) -> ChannelNews:
        if self._beside is not None:
            self._beside.told(update, last)
        moved = only(shifted(update, self._zero), self._detector.labels, self._wanted)
        self._aggregates = moved.aggregates or self._aggregates
        self._events.extend(moved.events)
        self._window_count += len(moved.windows)
        self._windows_metric.inc(len(moved.windows))
        self._events_metric.inc(len(moved.events))
        self._explained += len(moved.explanations)
        start = self._zero + self._frames * self._hop_samples
        self._frames += 0 if moved.features is None else len(moved.features)
        return ChannelNews(self.channel, self.name, moved, start, self._hop_samples)


class Line:
    """One channel with a time of its own, and a lane for each detector."""

    def __init__(self, channel: int, start_sample: int, lanes: Sequence[Lane]) -> None:
        self.channel, self.lanes = channel, lanes
        self.start_sample = self.read_until = start_sample

    @property
    def sample_count(self) -> int:
        """Samples so far, gaps included."""
        return self.read_until - self.start_sample

    def push(self, samples: Array) -> Parts:
        """The next float32 (n,) samples, for each lane."""
        self.read_until += len(samples)
        return [lane.push(samples) for lane in self.lanes]

    def gap(self, sample_count: int) -> Parts:
        """The end of what came before; state starts afresh `sample_count` samples later."""
        most = LAST_SAMPLE - self.read_until
        require(0 <= sample_count < most, "gap.sample_count", sample_count, f"0..{most - 1}")
        self.read_until += sample_count
        return [lane.gap(self.read_until) for lane in self.lanes]

    def finish(self) -> Parts:
        """The last ones: windows and events that waited for more audio."""
        return [lane.finish() for lane in self.lanes]


def wanted_labels(detector: KeywordDetector, stream: SpotRequest) -> tuple[str, ...]:
    """The detector's labels that the stream asks for, in the detector's order."""
    return tuple(x for x in detector.labels if not stream.labels or x in stream.labels)


def open_session(detector: KeywordDetector, stream: SpotRequest, batch: SpotBatch) -> SpotSession:
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
    return SpotSession(detector, stream.rate_hz, options, batch)


def opened_detector(name: str, detector: KeywordDetector, stream: SpotRequest) -> OpenedDetector:
    """A detector with the labels and thresholds that a stream uses."""
    labels = wanted_labels(detector, stream)
    used = detector.thresholds(stream.thresholds, stream.false_alarms_per_hour)
    return OpenedDetector(
        name,
        labels,
        {label: used[label] for label in labels},
        detector.window_s,
        detector.hop_s,
        tuple(map(float, detector.features.edges_hz[1:-1])),
    )
