"""Endless audio over connections that break: what to send again, and what of the answers is new.

    chunks -> Tape -> a stream from Place.sample on -> updates -> Told -> only what is new

A stream that goes on somewhere hears nothing of what came before. So it begins early enough to hear
all that the next answer may hang on, at a sample where its windows lie as they did before; what
it then finds among the audio that was heard already is compared with what was told. Windows are
the same to rounding. Events are where, within what is sent again, a label was once quiet for its
refractory time: from there on nothing hangs on what came before.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction

from sweepnet._streams import Form, Piece
from sweepnet.errors import InvalidInput
from sweepnet.inputs import Gap
from sweepnet.options import StreamOptions
from sweepnet.results import ChannelUpdate, Event, Features, SpotOpened, SpotUpdate

Kept = bytes | Gap
SAMPLE_BYTES: Mapping[str, int] = {"LINEAR16": 2, "FLOAT32": 4, "MULAW": 1, "ALAW": 1}
LONGEST_EVENT_S = 3.0
"""A run of windows above threshold and the refractory time after it, with room to spare."""
LONGEST_HORIZON_S = 60.0
"""Aggregates over more than that are not replayed: they begin afresh with the connection."""
SAME_EVENT_S = 0.25
"""Peaks of one label that are closer are the same; others are a refractory time apart."""
FINEST_HOP = 100_000
DEFAULT_RATE_HZ = 16_000


@dataclass(frozen=True)
class Place:
    """Where a stream goes on: its first sample, in which chunk of the tape and how far in it."""

    sample: int
    number: int
    skip_bytes: int


def resumed(options: StreamOptions, place: Place) -> StreamOptions:
    """The options of a stream that goes on at a place."""
    more: StreamOptions = {**options, "start_sample": place.sample}
    if "capture_time" in options:
        since = place.sample - options.get("start_sample", 0)
        passed = timedelta(seconds=since / options.get("rate_hz", DEFAULT_RATE_HZ))
        more["capture_time"] = options["capture_time"] + passed
    return more


class Tape:
    """The last chunks of a stream, by number from 0; the older ones are forgotten."""

    def __init__(self, options: StreamOptions) -> None:
        self._form = form = Form.of(options)
        if form.encoding not in SAMPLE_BYTES:
            raise InvalidInput(
                f"encoding: got {form.encoding!r}; "
                f"listening takes samples: {', '.join(SAMPLE_BYTES)}"
            )
        self._frame_bytes = SAMPLE_BYTES[form.encoding] * form.channel_count
        self._end = self._origin = options.get("start_sample", 0)
        self._first = 0
        self._chunks: deque[tuple[int, Kept]] = deque()

    def add(self, given: Piece) -> Kept:
        """The chunk, which is kept, an array as its bytes."""
        chunk = self._form.plain(given)
        if not isinstance(chunk, bytes | bytearray | memoryview | Gap):
            raise InvalidInput(
                f"got a chunk of {type(chunk).__name__}; expected bytes or an array of samples, "
                "or Gap"
            )
        kept = chunk if isinstance(chunk, Gap) else bytes(chunk)
        self._chunks.append((self._end, kept))
        self._end += self._length(kept)
        return kept

    def chunk(self, number: int) -> Kept | None:
        """A chunk that is kept; None for the one that is still to come."""
        at = number - self._first
        # The sender of a lost connection may ask for one that is gone: any will do for it.
        return self._chunks[max(at, 0)][1] if at < len(self._chunks) else None

    def place(self, sample: int, grid: int) -> Place:
        """The last place up to `sample` where windows lie as before, a multiple of `grid`
        after the beginning or the last gap; the tape's own first one where there is none.
        """
        origin = self._origin
        for at, chunk in self._chunks:
            if isinstance(chunk, Gap) and at + chunk.sample_count <= sample:
                origin = at + chunk.sample_count
        return self._at(origin + max(0, sample - origin) // grid * grid)

    def _at(self, start: int) -> Place:
        """The place of a sample, or behind the gap in which it lies."""
        for number, (at, chunk) in enumerate(self._chunks, self._first):
            past = at + self._length(chunk)
            if at <= start < past and isinstance(chunk, Gap):
                start = past
            elif at <= start < past:
                return Place(start, number, (start - at) * self._frame_bytes)
        last = self._first + len(self._chunks)
        return Place(self._end, last, 0)

    def forget(self, sample: int, grid: int) -> None:
        """Lets go what is not needed to go on at a sample."""
        number = self.place(sample, grid).number
        while self._first < number:
            at, chunk = self._chunks.popleft()
            self._first += 1
            if isinstance(chunk, Gap):
                self._origin = at + chunk.sample_count

    def _length(self, chunk: Kept) -> int:
        if isinstance(chunk, Gap):
            return chunk.sample_count
        return len(chunk) // self._frame_bytes


class Told:
    """What the caller was told of a stream, over all its connections."""

    def __init__(self, options: StreamOptions) -> None:
        self.read_until: int | None = None
        self._horizon_s = min(options.get("aggregate_over_s", 0.0), LONGEST_HORIZON_S)
        self._opened: SpotOpened | None = None
        self._windows: dict[tuple[int, str], tuple[int, int]] = {}
        self._frames_s: dict[tuple[int, str], float] = {}
        self._events: list[Event] = []
        self._explained: set[tuple[int, str, str, int]] = set()
        self._replayed_until = 0

    @property
    def grid(self) -> int:
        """Samples after which the windows of all detectors lie as before."""
        if self._opened is None:
            return 1
        rate = self._opened.rate_hz
        hops = (Fraction(d.hop_s).limit_denominator(FINEST_HOP) for d in self._opened.detectors)
        return math.lcm(*((hop * rate).numerator for hop in hops))

    @property
    def needed_from(self) -> int:
        """The first sample that answers to come may hang on; 0 while nothing is known."""
        if self._opened is None or self.read_until is None:
            return 0
        more = math.ceil((LONGEST_EVENT_S + self._horizon_s) * self._opened.rate_hz)
        return max(0, self.read_until - 2 * self._window - more - self.grid)

    @property
    def _window(self) -> int:
        """Samples of the longest window."""
        assert self._opened is not None
        longest_s = max(detector.window_s for detector in self._opened.detectors)
        return math.ceil(longest_s * self._opened.rate_hz)

    def connected(self, opened: SpotOpened) -> None:
        """Another connection is open."""
        self._opened = opened
        self._replayed_until = self.read_until or 0

    def new(self, update: SpotUpdate) -> SpotUpdate | None:
        """What of an update was not told before; None if that is nothing."""
        assert self._opened is not None
        before = self.read_until
        channels = tuple(
            told for each in update.channels if (told := self._new_of(each, before)) is not None
        )
        if before is not None and update.read_until <= before and not channels:
            return None
        self.read_until = max(update.read_until, before or 0)
        return SpotUpdate(self.read_until, self.read_until / self._opened.rate_hz, channels)

    def _new_of(self, told: ChannelUpdate, before: int | None) -> ChannelUpdate | None:
        key = told.channel, told.detector
        last = self._windows.get(key, (-1, -1))
        # Both: starts stand still where a stream begins, ends where it ends.
        windows = tuple(w for w in told.windows if (w.start_sample, w.end_sample) > last)
        if windows:
            self._windows[key] = windows[-1].start_sample, windows[-1].end_sample
        new = replace(
            told,
            windows=windows,
            events=tuple(event for event in told.events if self._is_new(event, told.read_until)),
            features=self._new_frames(key, told.features),
            explanations=tuple(
                each
                for each in told.explanations
                if self._explains(told, each.label, each.start_sample)
            ),
            read_until=max(told.read_until, before or 0),
        )
        self._events += new.events
        told_of = new.windows, new.events, new.features, new.explanations, new.went_over
        some = any(told_of)
        return new if some or before is None or told.read_until > before else None

    def _is_new(self, event: Event, read_until: int) -> bool:
        """Whether an event was not told. Of audio that had been answered nothing is new: what is
        found there now and was not then hangs on audio that was not sent again.
        """
        if event.peak_sample >= self._replayed_until:
            return True
        if read_until <= self._replayed_until:
            return False
        near = SAME_EVENT_S * event.rate_hz
        return not any(
            (each.channel, each.detector, each.label)
            == (event.channel, event.detector, event.label)
            and abs(each.peak_sample - event.peak_sample) < near
            for each in self._events
        )

    def _new_frames(self, key: tuple[int, str], told: Features | None) -> Features | None:
        if told is None:
            return None
        until_s = self._frames_s.get(key, -math.inf)
        known = max(0, round((until_s - told.start_s) / told.hop_s)) if until_s > 0 else 0
        rows = told.rows[known:]
        if not rows:
            return None
        start_s = told.start_s + known * told.hop_s
        self._frames_s[key] = start_s + len(rows) * told.hop_s
        return Features(start_s, told.hop_s, rows)

    def _explains(self, told: ChannelUpdate, label: str, start: int) -> bool:
        mark = told.channel, told.detector, label, start
        if mark in self._explained:
            return False
        self._explained.add(mark)
        return True

    def forget(self) -> None:
        """Lets go events that no replay reaches."""
        start = self.needed_from
        if self._events and self._events[0].peak_sample < start:
            self._events = [event for event in self._events if event.peak_sample >= start]
