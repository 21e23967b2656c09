"""Endless audio: a stream that outlives its connections; nothing is lost, nothing told twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from sweepnet._outages import Outage
from sweepnet._resuming import Place, Tape, Told, resumed
from sweepnet._streams import Piece
from sweepnet.errors import Cancelled, SweepnetError
from sweepnet.options import StreamOptions
from sweepnet.results import SpotOpened, SpotUpdate

if TYPE_CHECKING:
    from sweepnet.client import SpotStream

Open = Callable[[Iterator[Piece], StreamOptions], "SpotStream"]


class Listening:
    """News of endless audio, to be iterated in a `with` statement by one thread.

    Where the server goes away, what its next answer may hang on is sent again, with its place in
    time, to the one that comes back; `reconnections` counts how often.
    """

    def __init__(
        self, open_stream: Open, chunks: Iterable[Piece], options: StreamOptions, patience_s: float
    ) -> None:
        self.reconnections = 0
        self.opened: SpotOpened | None = None
        self._open_stream, self._options = open_stream, options
        self._tape, self._told, self._outage = Tape(options), Told(options), Outage(patience_s)
        self._chunks = iter(chunks)
        self._ended: BaseException | None = None
        # One reads the caller's chunks and may wait for them; the tape is never waited for long.
        self._reading, self._taping = threading.Lock(), threading.Lock()
        self._stream: SpotStream | None = None
        self._closed = threading.Event()

    def cancel(self) -> None:
        """End it at once, from any thread."""
        self._closed.set()
        if self._stream is not None:
            self._stream.cancel()

    def __enter__(self) -> Listening:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    def __iter__(self) -> Iterator[SpotUpdate]:
        while True:
            try:
                yield from self._connected()
                return
            except SweepnetError as error:
                if self._closed.is_set():
                    raise
                pause_s = self._outage.pause_s(error, time.monotonic())
            if self._closed.wait(pause_s):
                raise Cancelled("the listening was cancelled")
            self.reconnections += 1

    def _connected(self) -> Iterator[SpotUpdate]:
        """What one connection brings that is new, until it ends."""
        with self._taping:
            place = self._tape.place(self._told.needed_from, self._told.grid)
        options = resumed(self._options, place)
        with self._open_stream(self._recorded(place), options) as stream:
            self._stream = stream
            if self._closed.is_set():  # by a thread that had the stream before to end
                stream.cancel()
            begun = False
            for update in stream:
                if not begun and stream.opened is not None:
                    begun, self.opened = True, stream.opened
                    self._told.connected(stream.opened)
                new = self._told.new(update)
                with self._taping:
                    self._tape.forget(self._told.needed_from, self._told.grid)
                self._told.forget()
                if new is not None:
                    # Not before: a server that dies of what it is sent again is away for good.
                    self._outage.over()
                    yield new

    def _recorded(self, place: Place) -> Iterator[Piece]:
        """Chunks from a place on: of the tape, then as they come."""
        number, skip = place.number, place.skip_bytes
        while (chunk := self._chunk(number)) is not None:
            yield chunk[skip:] if isinstance(chunk, bytes) else chunk
            number, skip = number + 1, 0

    def _chunk(self, number: int) -> Piece | None:
        """A chunk by number, None behind the last.

        gRPC's thread of a lost connection may still wait for one; it comes to the tape, where
        the next connection finds it.
        """
        with self._taping:
            known = self._tape.chunk(number)
        if known is not None:
            return known
        with self._reading:
            with self._taping:
                known = self._tape.chunk(number)
            return self._read() if known is None else known

    def _read(self) -> Piece | None:
        if self._ended is None:
            try:
                chunk = next(self._chunks)
                with self._taping:
                    return self._tape.add(chunk)
            except BaseException as error:  # told to whoever asks, on this connection or the next
                self._ended = error
        if isinstance(self._ended, StopIteration):
            return None
        raise self._ended
