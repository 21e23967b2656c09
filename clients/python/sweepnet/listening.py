"""Endless audio: a stream that outlives its connections; nothing is lost, nothing told twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from sweepnet._continuing import Continued, cut
from sweepnet._resuming import Kept, Place
from sweepnet._streams import Piece
from sweepnet.errors import Cancelled, SweepnetError
from sweepnet.options import StreamOptions
from sweepnet.results import SpotUpdate

if TYPE_CHECKING:
    from sweepnet.client import SpotStream

Open = Callable[[Iterator[Piece], StreamOptions], "SpotStream"]


class Listening(Continued):
    """News of endless audio, to be iterated in a `with` statement by one thread.

    Where the server goes away, what its next answer may hang on is sent again, with its place in
    time, to the one that comes back; `reconnections` counts how often.
    """

    def __init__(
        self, open_stream: Open, chunks: Iterable[Piece], options: StreamOptions, patience_s: float
    ) -> None:
        super().__init__(options, patience_s)
        self._open_stream, self._chunks = open_stream, iter(chunks)
        self._ended: BaseException | None = None
        self._reading = threading.Lock()
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
                pause_s = self._pause_s(error, time.monotonic())
            if self._closed.wait(pause_s):
                raise Cancelled("the listening was cancelled")
            self.reconnections += 1

    def _connected(self) -> Iterator[SpotUpdate]:
        """What one connection brings that is new, until it ends."""
        place, options = self._going_on()
        with self._open_stream(self._recorded(place), options) as stream:
            self._stream = stream
            if self._closed.is_set():  # by a thread that had the stream before to end
                stream.cancel()
            for update in stream:
                if (new := self._news(stream.opened, update)) is not None:
                    yield new

    def _recorded(self, place: Place) -> Iterator[Piece]:
        """Chunks from a place on: of the tape, then as they come."""
        number, skip = place.number, place.skip_bytes
        while (chunk := self._chunk(number)) is not None:
            yield cut(chunk, skip)
            number, skip = number + 1, 0

    def _chunk(self, number: int) -> Kept | None:
        """A chunk by number, None behind the last.

        gRPC's thread of a lost connection may still wait for one; it comes to the tape, where
        the next connection finds it.
        """
        if (known := self._known(number)) is not None:
            return known
        with self._reading:
            known = self._known(number)
            return self._read() if known is None else known

    def _read(self) -> Kept | None:
        if self._ended is None:
            try:
                return self._kept(next(self._chunks))
            except BaseException as error:  # told to whoever asks, on this connection or the next
                self._ended = error
        if isinstance(self._ended, StopIteration):
            return None
        raise self._ended
