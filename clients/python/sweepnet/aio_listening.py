"""Endless audio in an event loop: `Listening` with `async with` and `async for`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from sweepnet._outages import Outage
from sweepnet._resuming import Place, Tape, Told, resumed
from sweepnet._streams import Piece
from sweepnet.errors import Cancelled, SweepnetError
from sweepnet.options import StreamOptions
from sweepnet.results import SpotOpened, SpotUpdate

if TYPE_CHECKING:
    from sweepnet.aio import AsyncSpotStream

Open = Callable[[AsyncIterator[Piece], StreamOptions], "AsyncSpotStream"]


class AsyncListening:
    """News of endless audio, as `Listening` tells them."""

    def __init__(
        self,
        open_stream: Open,
        chunks: AsyncIterator[Piece],
        options: StreamOptions,
        patience_s: float,
    ) -> None:
        self.reconnections = 0
        self.opened: SpotOpened | None = None
        self._open_stream, self._options = open_stream, options
        self._tape, self._told, self._outage = Tape(options), Told(options), Outage(patience_s)
        self._chunks = chunks
        self._reading: asyncio.Task[Piece | None] | None = None
        self._stream: AsyncSpotStream | None = None
        self._closed = asyncio.Event()

    def cancel(self) -> None:
        self._closed.set()
        if self._stream is not None:
            self._stream.cancel()
        if self._reading is not None:
            self._reading.cancel()

    async def __aenter__(self) -> AsyncListening:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    async def __aiter__(self) -> AsyncIterator[SpotUpdate]:
        while True:
            try:
                async for update in self._connected():
                    yield update
                return
            except SweepnetError as error:
                if self._closed.is_set():
                    raise
                pause_s = self._outage.pause_s(error, asyncio.get_running_loop().time())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), pause_s)
            if self._closed.is_set():
                raise Cancelled("the listening was cancelled")
            self.reconnections += 1

    async def _connected(self) -> AsyncIterator[SpotUpdate]:
        """What one connection brings that is new, until it ends."""
        place = self._tape.place(self._told.needed_from, self._told.grid)
        options = resumed(self._options, place)
        async with self._open_stream(self._recorded(place), options) as stream:
            self._stream = stream
            if self._closed.is_set():  # while there was none to end
                stream.cancel()
            begun = False
            async for update in stream:
                if not begun and stream.opened is not None:
                    begun, self.opened = True, stream.opened
                    self._told.connected(stream.opened)
                new = self._told.new(update)
                self._tape.forget(self._told.needed_from, self._told.grid)
                self._told.forget()
                if new is not None:
                    # Not before: a server that dies of what it is sent again is away for good.
                    self._outage.over()
                    yield new

    async def _recorded(self, place: Place) -> AsyncIterator[Piece]:
        number, skip = place.number, place.skip_bytes
        while (chunk := await self._chunk(number)) is not None:
            yield chunk[skip:] if isinstance(chunk, bytes) else chunk
            number, skip = number + 1, 0

    async def _chunk(self, number: int) -> Piece | None:
        """A chunk by number, None behind the last.

        A connection that is lost cancels whoever waits here, but not the reading itself, which
        would end the caller's generator: the next connection waits for the same.
        """
        while (known := self._tape.chunk(number)) is None:
            if self._reading is None:
                self._reading = asyncio.ensure_future(self._read())
            await asyncio.wait({self._reading})
            if self._reading.result() is None:
                return None
            if self._tape.chunk(number) is not None:
                self._reading = None
        return known

    async def _read(self) -> Piece | None:
        try:
            return self._tape.add(await anext(self._chunks))
        except StopAsyncIteration:
            return None


T = TypeVar("T")


async def awaited(chunks: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """What either kind of iterable holds."""
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk
