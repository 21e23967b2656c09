"""Endless audio in an event loop: `Listening` with `async with` and `async for`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from sweepnet._continuing import Continued, cut
from sweepnet._resuming import Kept, Place
from sweepnet._streams import Piece
from sweepnet.errors import Cancelled, SweepnetError
from sweepnet.options import StreamOptions
from sweepnet.results import SpotUpdate

if TYPE_CHECKING:
    from sweepnet.aio import AsyncSpotStream

Open = Callable[[AsyncIterator[Piece], StreamOptions], "AsyncSpotStream"]


class AsyncListening(Continued):
    """News of endless audio, as `Listening` tells them."""

    def __init__(
        self,
        open_stream: Open,
        chunks: AsyncIterator[Piece],
        options: StreamOptions,
        patience_s: float,
    ) -> None:
        super().__init__(options, patience_s)
        self._open_stream, self._chunks = open_stream, chunks
        self._reading: asyncio.Task[Kept | None] | None = None
        self._stream: AsyncSpotStream | None = None
        self._closed = asyncio.Event()

    def cancel(self) -> None:
        """End it at once."""
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
                pause_s = self._pause_s(error, asyncio.get_running_loop().time())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), pause_s)
            if self._closed.is_set():
                raise Cancelled("the listening was cancelled")
            self.reconnections += 1

    async def _connected(self) -> AsyncIterator[SpotUpdate]:
        """What one connection brings that is new, until it ends."""
        place, options = self._going_on()
        async with self._open_stream(self._recorded(place), options) as stream:
            self._stream = stream
            if self._closed.is_set():  # while there was none to end
                stream.cancel()
            async for update in stream:
                if (new := self._news(stream.opened, update)) is not None:
                    yield new

    async def _recorded(self, place: Place) -> AsyncIterator[Piece]:
        number, skip = place.number, place.skip_bytes
        while (chunk := await self._chunk(number)) is not None:
            yield cut(chunk, skip)
            number, skip = number + 1, 0

    async def _chunk(self, number: int) -> Kept | None:
        """A chunk by number, None behind the last.

        A connection that is lost cancels whoever waits here, but not the reading itself, which
        would end the caller's generator: the next connection waits for the same.
        """
        while (known := self._known(number)) is None:
            if self._reading is None:
                self._reading = asyncio.ensure_future(self._read())
            await asyncio.wait({self._reading})
            if self._reading.result() is None:
                return None
            if self._known(number) is not None:
                self._reading = None
        return known

    async def _read(self) -> Kept | None:
        try:
            return self._kept(await anext(self._chunks))
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
