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
from sweepnet_service.live.ear import Ear
from sweepnet_service.live.replies import ChannelNews, ChannelSummary, OpenedDetector
from sweepnet_service.live.request import LAST_SAMPLE, SpotRequest, require
from sweepnet_service.live.succession import Newer

if TYPE_CHECKING:
    from sweepnet_service.captures.hearing import Watch
    from sweepnet_service.detectors.keyword import (
        Aggregate,
        KeywordDetector,
        KeywordEvent,
        SpotBatch,
        SpotUpdate,
    )
    from sweepnet_service.detectors.keyword.batch import Piece

EVENTS_KEPT = 10_000


class Part(NamedTuple):
    """What one lane hears in a step, and how it tells of what that brings."""

    piece: Piece
    told: Callable[[SpotUpdate], ChannelNews]
    failed: Callable[[Exception], ChannelNews] | None = None
    """What is told where it cannot be heard; None: that error."""


Parts: TypeAlias = Sequence[Part]


def told(parts: Parts) -> list[ChannelNews | Exception]:
    """What comes of each part, or its error; sessions of one detector are stepped together."""
    by_batch: dict[SpotBatch, list[int]] = {}
    for place, part in enumerate(parts):
        by_batch.setdefault(part.piece.session.batch, []).append(place)
    news: dict[int, ChannelNews | Exception] = {}
    for batch, places in by_batch.items():
        updates = _stepped(batch, [parts[place].piece for place in places])
        for place, update in zip(places, updates, strict=True):
            news[place] = _news(parts[place], update)
    return [news[place] for place in range(len(parts))]


def _stepped(batch: SpotBatch, pieces: Sequence[Piece]) -> Sequence[SpotUpdate | Exception]:
    try:
        return batch.step(pieces)
    except Exception as error:  # what one detector cannot do is no matter of the others
        return [error] * len(pieces)


def _news(part: Part, update: SpotUpdate | Exception) -> ChannelNews | Exception:
    try:
        if not isinstance(update, Exception):
            return part.told(update)
        return update if part.failed is None else part.failed(update)
    except Exception as error:
        return error


class Lane:
    """One channel under one detector: what hears it, and what came of it.

    Where a newer version took the detector's name, and it is time, that one hears along until it
    is warm and no word is being told, and then takes over: no window is missed, none told twice.
    """

    def __init__(
        self,
        channel: int,
        name: str,
        detector: KeywordDetector,
        stream: SpotRequest,
        batch: SpotBatch,
        watch: Watch | None = None,
        newer: Newer | None = None,
    ) -> None:
        self.channel, self.name = channel, name
        self._stream, self._watch, self._newer = stream, watch, newer
        self._wanted = wanted_labels(detector, stream)
        self._aggregates: tuple[Aggregate, ...] = ()
        self._events: deque[KeywordEvent] = deque(maxlen=EVENTS_KEPT)
        self._window_count = self._explained = 0
        self._windows_metric = metrics.WINDOWS.labels(name)
        self._events_metric = metrics.DETECTIONS.labels(name)
        self._ear = self._opened(detector, batch, stream.start_sample)
        self._heir: Ear | None = None
        self._went_over: OpenedDetector | None = None

    def push(self, samples: Array) -> Parts:
        """The next float32 (n,) samples."""
        self._go_over()
        parts = [Part(self._ear.piece(samples), self._told)]
        if self._heir is not None:
            heir = self._heir
            told, failed = partial(self._untold, heir), partial(self._lost, heir)
            parts.append(Part(heir.piece(samples), told, failed))
        return parts

    def finish(self) -> Part:
        """The end."""
        return Part(self._ear.session.end, partial(self._told, last=True))

    def gap(self, zero: int) -> Part:
        """The end before a gap; what follows starts afresh at sample `zero`."""

        def told(update: SpotUpdate) -> ChannelNews:
            news = self._told(update, last=True)
            self._resume(zero)
            return news

        return Part(self._ear.session.end, told)

    def _resume(self, zero: int) -> None:
        """What was found before stays in the summary; a newer version that has heard along, and not
        failed, need not wait for more.
        """
        ear, heir = self._ear, self._heir
        if heir is None or heir.detector is not self._due():
            self._ear = self._opened(ear.detector, ear.batch, zero)
        else:
            self._take_over(self._heard_by(heir.detector, zero))
        self._heir = None

    def _go_over(self) -> None:
        """Let the newer version hear along, or take over."""
        newer, heir = self._due(), self._heir
        if newer is None:
            self._heir = None
        elif heir is None or newer is not heir.detector:
            # On the windows' grid, so that they lie where the old ones would have.
            skip = self._ear.until_next_window()
            zero = self._ear.past + skip
            self._heir = self._heard_by(newer, zero, skip)
        elif heir.warm and heir.level_with(self._ear) and not self._undecided(heir):
            self._take_over(heir)
            self._heir = None

    def _take_over(self, ear: Ear) -> None:
        self._ear = ear
        self._went_over = opened_detector(self.name, ear.detector, self._stream, self._wanted)
        metrics.HANDED_OVER.labels(self.name).inc()

    def _undecided(self, heir: Ear) -> bool:
        """Whether a word is under way, for the one or the other."""
        return self._ear.session.undecided or heir.session.undecided

    def _due(self) -> KeywordDetector | None:
        if self._newer is None:
            return None
        return self._newer.than(self._ear.detector, self._stream, self._wanted)

    def _heard_by(self, newer: KeywordDetector, zero: int, skip: int = 0) -> Ear:
        assert self._newer is not None
        return self._opened(newer, self._newer.batch(newer), zero, skip)

    def _opened(self, detector: KeywordDetector, batch: SpotBatch, zero: int, skip: int = 0) -> Ear:
        from sweepnet_service.detectors.keyword.explanation import MOST_EXPLAINED

        explanations = self._stream.explanations and self._explained < MOST_EXPLAINED
        stream = replace(self._stream, explanations=explanations)
        beside = None
        if self._watch is not None:
            beside = self._watch.beside(self.name, detector, stream, self._wanted)
        return Ear(detector, stream, batch, zero, beside, skip)

    def summary(self, sample_count: int) -> ChannelSummary:
        """What has come of it so far."""
        # Updates tell events as they end, label by label.
        events = tuple(sorted(self._events, key=lambda event: (event.start, event.label)))
        return ChannelSummary(
            self.channel, self.name, self._aggregates, events, self._window_count, sample_count
        )

    def _told(self, update: SpotUpdate, last: bool = False) -> ChannelNews:
        moved, start = self._ear.told(update, self._wanted, last)
        self._aggregates = moved.aggregates or self._aggregates
        self._events.extend(moved.events)
        self._window_count += moved.window_count
        if moved.window_count:
            self._windows_metric.inc(moved.window_count)
        if moved.events:
            self._events_metric.inc(len(moved.events))
        self._explained += len(moved.explanations)
        went_over, self._went_over = self._went_over, None
        hop_samples = self._ear.hop_samples
        return ChannelNews(self.channel, self.name, moved, start, hop_samples, went_over)

    def _untold(self, heir: Ear, update: SpotUpdate) -> ChannelNews:
        """Nothing, of what the one that hears along tells."""
        _, start = heir.told(update, self._wanted, last=False, aloud=False)
        quiet = replace(update, windows=(), events=(), features=None, explanations=())
        return ChannelNews(self.channel, self.name, quiet, start, heir.hop_samples)

    def _lost(self, heir: Ear, error: Exception) -> ChannelNews:
        """Nothing, where a newer version cannot hear what the old one does: that one stays."""
        assert self._newer is not None
        self._newer.refuse(heir.detector, error)
        self._heir = None
        return ChannelNews(self.channel, self.name, heir.session.unchanged())


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
        return [part for lane in self.lanes for part in lane.push(samples)]

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


def opened_detector(
    name: str, detector: KeywordDetector, stream: SpotRequest, labels: tuple[str, ...]
) -> OpenedDetector:
    """A detector as a stream uses it: with these of its labels, and their thresholds."""
    used = detector.thresholds(stream.thresholds, stream.false_alarms_per_hour)
    return OpenedDetector(
        name,
        labels,
        {label: used[label] for label in labels},
        detector.window_s,
        detector.hop_s,
        tuple(map(float, detector.features.edges_hz[1:-1])),
    )
