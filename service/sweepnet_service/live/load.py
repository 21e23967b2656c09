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
"""With fewer streams heard, how long they waited tells nothing of how long more would."""
MOST_UNHEARD = 256
"""Streams that may be opened before one of them is heard; more where more are heard already."""


@dataclass
class Span:
    """What was seen in one span of time."""

    heard: set[Hashable] = field(default_factory=set)
    works: int = 0
    waited_s: float = 0.0

    @property
    def latency_s(self) -> float:
        """From come to scored, of the mean piece."""
        return self.waited_s / self.works if self.works else 0.0


class Load:
    """Counts over the last one or two seconds; may be used from any thread."""

    def __init__(self, most_latency_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most_latency_s, clock
        self._lock = threading.Lock()
        self._now, self._before = Span(), Span()
        self._until = clock() + SPAN_S
        self._unheard: dict[Hashable, float] = {}

    def heard(self, streams: Iterable[Hashable], waited_s: Iterable[float]) -> None:
        """Pieces of these streams were scored so long after they had come."""
        names, waits = set(streams), list(waited_s)
        with self._lock:
            self._turn()
            self._now.heard |= names
            self._now.works += len(waits)
            self._now.waited_s += sum(waits)
            for name in names & self._unheard.keys():
                del self._unheard[name]

    @property
    def active(self) -> int:
        """Streams heard within a span."""
        with self._lock:
            self._turn()
            return self._active

    def admit(self, stream: Hashable) -> None:
        """Counts one more stream; raises Overloaded where those there are would suffer from it."""
        with self._lock:
            self._turn()
            expected_ms, most_ms = 1000 * self._expected_s, 1000 * self._most
            if expected_ms > most_ms:
                raise _overloaded(
                    f"live streams wait {expected_ms:.0f} ms for their scores", most_ms
                )
            if len(self._unheard) >= max(MOST_UNHEARD, self._active):
                raise _overloaded(f"{len(self._unheard)} live streams have just begun", most_ms)
            self._unheard[stream] = self._clock()

    def gone(self, stream: Hashable) -> None:
        """The stream has ended."""
        with self._lock:
            self._unheard.pop(stream, None)

    @property
    def _active(self) -> int:
        return max(len(self._now.heard), len(self._before.heard))

    @property
    def _expected_s(self) -> float:
        """What pieces will wait once the streams that have just begun are heard as well."""
        if self._active < FEWEST:
            return 0.0
        latency_s = max(self._now.latency_s, self._before.latency_s)
        return latency_s * (self._active + len(self._unheard)) / self._active

    def _turn(self) -> None:
        """Begins another span where it is time; the one before is kept, older ones forgotten."""
        now = self._clock()
        if now >= self._until:
            self._before = Span() if now >= self._until + SPAN_S else self._now
            self._now, self._until = Span(), now + SPAN_S
        # A stream that stays silent is no longer one that has just begun.
        while self._unheard and next(iter(self._unheard.values())) < now - SPAN_S:
            del self._unheard[next(iter(self._unheard))]


def _overloaded(reason: str, most_ms: float) -> Overloaded:
    return Overloaded(
        "server",
        f"{reason}; with more of them they would wait longer than {most_ms:.0f} ms "
        "(--max-latency-ms); try later",
    )
