"""Keeps sightings as they come, in a thread of its own: whoever hears or sees waits for no disk."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from sweepnet_service.captures.capture import Sighting
from sweepnet_service.captures.folder import Captures

MOST_WAITING = 16
"""Sightings that wait to be written; beyond it they are let go."""
PAUSE_S = 5.0
"""Of one detector and label no two are kept sooner after each other."""
LOOK_EVERY_S = 60.0
log = structlog.get_logger("sweepnet")
Content = Callable[[], bytes]


class Keeper:
    """Writes what is near a threshold: at most `margin` away from it, in log odds.

    `in_use` tells whether a capture must not be deleted yet, though it has come to its end.
    """

    def __init__(
        self,
        captures: Captures,
        margin: float,
        pause_s: float = PAUSE_S,
        in_use: Callable[[str], bool] = lambda identity: False,
    ) -> None:
        self.captures, self.margin = captures, margin
        self._pause_s, self._in_use = pause_s, in_use
        self._last_s: dict[tuple[str, str], float] = {}
        self._waiting: queue.Queue[tuple[Sighting, Content] | None] = queue.Queue(MOST_WAITING)
        self._deciding = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="keeper", daemon=True)
        self._thread.start()

    def offer(self, sighting: Sighting, content: Content) -> None:
        """Keep it, unless there was another of the kind just now, or too many wait.

        `content` is called in the keeper's thread.
        """
        what, now_s = (sighting.detector, sighting.label), time.monotonic()
        with self._deciding:
            if now_s - self._last_s.get(what, -self._pause_s) < self._pause_s:
                return
            with suppress(queue.Full):
                self._waiting.put_nowait((sighting, content))
                self._last_s[what] = now_s

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _serve(self) -> None:
        looked_s = -LOOK_EVERY_S
        while True:
            if time.monotonic() - looked_s >= LOOK_EVERY_S:
                self._try(self._expire)
                looked_s = time.monotonic()
            try:
                came = self._waiting.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                continue
            if came is None:
                return
            self._try(partial(self._write, *came))

    def _write(self, sighting: Sighting, content: Content) -> None:
        self.captures.add(sighting, content())

    def _expire(self) -> None:
        self.captures.expire(self._in_use)

    def _try(self, work: Callable[[], None]) -> None:
        """A disk that is full or gone must not end the keeping: later there may be room."""
        try:
            work()
        except Exception as error:
            with suppress(OSError, ValueError):
                # Not the error's own words, which may hold the name of a file.
                reason = getattr(error, "strerror", None) or type(error).__name__
                log.warning("captures cannot be kept", reason=reason, setting="--captures")
