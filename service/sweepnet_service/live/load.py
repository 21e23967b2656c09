"""How busy live streams keep the server, and whether one more can be let in.

Those let in keep their latency: it is what further ones are refused by.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from sweepnet_service.errors import Overloaded

SPAN_S = 1.0
FEWEST = 32
"""With fewer sessions heard, how long they waited tells nothing of how long more would."""
MOST_BUSY = 0.6
"""Share of the time that steps may take: the rest is for what comes unevenly."""
LEAST_OWN = 0.5
"""At least so much of what steps take is for their audio, whatever the line through them says:
where all hear as much, it says little."""
LEAST_HEARD = 0.85
"""Share of the time that a live stream goes on for; less of most of them has piled up."""
MOST_UNHEARD = 256
"""Streams that may be opened before one of them is heard; more where more are heard already."""


@dataclass
class Span:
    """What was seen in one span of time. Steps are sums of powers of their audio and time, for a
    line through them."""

    heard: set[Hashable] = field(default_factory=set)
    works: int = 0
    waited_s: float = 0.0
    late_s: float = 0.0
    steps: int = 0
    audio_s: float = 0.0
    busy_s: float = 0.0
    audio_audio: float = 0.0
    audio_busy: float = 0.0

    @property
    def latency_s(self) -> float:
        """From come to told, of the mean piece. What is told late had come late: the same thread
        does both."""
        if not self.works:
            return 0.0
        return self.waited_s / self.works + 2 * self.late_s / max(1, self.steps)

    def busy(self, sessions: float) -> float:
        """Share of the time that as many steps would take were so many sessions heard.

        A step has a price of its own, however little it hears: the least squares line of a step's
        time over its audio parts the two.
        """
        spread = self.steps * self.audio_audio - self.audio_s**2
        shared = self.steps * self.audio_busy - self.audio_s * self.busy_s
        mean = self.busy_s / self.audio_s if self.audio_s else 0.0
        slope = shared / spread if spread > 1e-9 else mean
        slope = min(max(slope, LEAST_OWN * mean), mean)
        return (self.busy_s + slope * (sessions * SPAN_S - self.audio_s)) / SPAN_S


class Load:
    """Counts over the last one or two seconds; may be used from any thread."""

    def __init__(self, most_latency_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most_latency_s, clock
        self._lock = threading.Lock()
        self._now, self._before = Span(), Span()
        self._until = clock() + SPAN_S
        self._unheard: dict[Hashable, float] = {}
        self._admitted: dict[Hashable, int] = {}

    def heard(
        self,
        streams: Iterable[Hashable],
        waited_s: Iterable[float],
        audio_s: float = 0.0,
        busy_s: float = 0.0,
    ) -> None:
        """Pieces of these streams were scored so long after they had come; together they were so
        much audio, all sessions added up, and took so long."""
        names, waits = set(streams), list(waited_s)
        with self._lock:
            self._turn()
            now = self._now
            now.heard |= names
            now.works += len(waits)
            now.waited_s += sum(waits)
            now.steps += 1
            now.audio_s += audio_s
            now.busy_s += busy_s
            now.audio_audio += audio_s * audio_s
            now.audio_busy += audio_s * busy_s
            for name in names & self._unheard.keys():
                del self._unheard[name]

    def told(self, late_s: float) -> None:
        """What a step brought was told so long after it had ended."""
        with self._lock:
            self._turn()
            self._now.late_s += late_s

    @property
    def active(self) -> int:
        """Streams heard within a span."""
        with self._lock:
            self._turn()
            return self._active

    def admit(self, stream: Hashable, sessions: int = 1) -> None:
        """Counts one more stream; raises Overloaded where those there are would suffer from it."""
        with self._lock:
            self._turn()
            if self._sessions >= FEWEST:
                self._check()
            if len(self._unheard) >= max(MOST_UNHEARD, self._active):
                raise _overloaded(f"{len(self._unheard)} live streams have just begun", self._most)
            self._unheard[stream] = self._clock()
            self._admitted[stream] = sessions

    def gone(self, stream: Hashable) -> None:
        """The stream has ended."""
        with self._lock:
            self._unheard.pop(stream, None)
            self._admitted.pop(stream, None)

    def _check(self) -> None:
        """Raises Overloaded where pieces would wait too long, or steps take all the time."""
        begun = sum(self._admitted.get(name, 1) for name in self._unheard)
        growth = (self._sessions + begun) / self._sessions
        latency_s = growth * max(self._now.latency_s, self._before.latency_s)
        if latency_s > self._most:
            waits = f"live streams wait {1000 * latency_s:.0f} ms for their scores"
            raise _overloaded(waits, self._most)
        # Of a span that has just begun too little is known.
        busy = self._before.busy(growth * self._sessions)
        if busy > MOST_BUSY:
            raise _overloaded(f"live streams take {busy:.0%} of the time there is", self._most)
        heard = self._before.audio_s / SPAN_S / max(1, self._count(self._before))
        if heard < LEAST_HEARD and self._before.busy_s > SPAN_S / 2:
            raise _overloaded(f"of live streams {heard:.0%} is heard in time", self._most)

    @property
    def _active(self) -> int:
        return max(len(self._now.heard), len(self._before.heard))

    @property
    def _sessions(self) -> int:
        """Of the streams heard within a span."""
        return max(self._count(self._now), self._count(self._before))

    def _count(self, span: Span) -> int:
        return sum(self._admitted.get(name, 1) for name in span.heard)

    def _turn(self) -> None:
        """Begins another span where it is time; the one before is kept, older ones forgotten."""
        now = self._clock()
        if now >= self._until:
            self._before = Span() if now >= self._until + SPAN_S else self._now
            self._now, self._until = Span(), now + SPAN_S
        # A stream that stays silent is no longer one that has just begun.
        while self._unheard and next(iter(self._unheard.values())) < now - SPAN_S:
            del self._unheard[next(iter(self._unheard))]


def _overloaded(reason: str, most_s: float) -> Overloaded:
    return Overloaded(
        "server",
        f"{reason}; with more of them they would wait longer than {1000 * most_s:.0f} ms "
        "(--max-latency-ms); try later",
    )
