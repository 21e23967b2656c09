"""Endless audio over connections that break: what both kinds of listening know between waits."""

from __future__ import annotations

import threading

from sweepnet import _convert
from sweepnet._outages import Outage
from sweepnet._resuming import Kept, Place, Tape, Told, resumed
from sweepnet._streams import Piece
from sweepnet.errors import SweepnetError
from sweepnet.options import StreamOptions
from sweepnet.results import SpotOpened, SpotUpdate


class Continued:
    """A stream that outlives its connections: what was heard, what was told, how long it is away.

    One reads updates; threads of connections that were lost may still add what they waited for.
    """

    def __init__(self, options: StreamOptions, patience_s: float) -> None:
        _convert.spot_config(options)  # what is wrong with them is told now, not by a connection
        self.reconnections = 0
        self.opened: SpotOpened | None = None
        self._options = options
        self._tape, self._told, self._outage = Tape(options), Told(options), Outage(patience_s)
        self._taping = threading.Lock()
        self._begun = False

    def _going_on(self) -> tuple[Place, StreamOptions]:
        """Where the next connection begins, and with what options."""
        self._begun = False
        with self._taping:
            place = self._tape.place(self._told.needed_from, self._told.grid)
        return place, resumed(self._options, place)

    def _news(self, opened: SpotOpened | None, update: SpotUpdate) -> SpotUpdate | None:
        """What of an update is new; what no replay will reach is forgotten."""
        if not self._begun and opened is not None:
            self._begun, self.opened = True, opened
            self._told.connected(opened)
        new = self._told.new(update)
        with self._taping:
            self._tape.forget(self._told.needed_from, self._told.grid)
        self._told.forget()
        if new is not None:
            # Not before: a server that dies of what it is sent again is away for good.
            self._outage.over()
        return new

    def _known(self, number: int) -> Kept | None:
        """A chunk by number; None for the one that is still to come."""
        with self._taping:
            return self._tape.chunk(number)

    def _kept(self, chunk: Piece) -> Kept:
        """The next chunk, which is kept."""
        with self._taping:
            return self._tape.add(chunk)

    def _pause_s(self, error: SweepnetError, now_s: float) -> float:
        """Seconds until the next attempt; raises the error where there is to be none."""
        return self._outage.pause_s(error, now_s)


def cut(chunk: Kept, skip_bytes: int) -> Kept:
    """The chunk without its first bytes."""
    return chunk[skip_bytes:] if isinstance(chunk, bytes) else chunk
