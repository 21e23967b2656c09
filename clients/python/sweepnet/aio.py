"""The asynchronous client: the same methods as `Client`, awaited."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar, Unpack

import grpc

from sweepnet import _calls, _convert, _convert_pictures, _flows, _many, _sources, _streams
from sweepnet._channel import DEFAULT_ADDRESS, Tls, metadata, opened
from sweepnet._failures import failure, translated
from sweepnet._flows import Flow, Step
from sweepnet._pictures import Pictures
from sweepnet._sources import Source, SourceKind
from sweepnet._streams import Chunk, Piece, Replies
from sweepnet.aio_listening import AsyncListening, awaited
from sweepnet.client import Client, SpotStream
from sweepnet.errors import Cancelled, SweepnetError
from sweepnet.inputs import Picture
from sweepnet.options import DetectOptions, SpotOptions, StreamOptions
from sweepnet.results import (
    Detections,
    Kind,
    Model,
    Scored,
    SpotOpened,
    SpotResult,
    SpotSummary,
    SpotUpdate,
    Training,
)

T = TypeVar("T")
WAITING_CHUNKS = 64


class AsyncClient:
    """Finds words in audio and objects in pictures, by a server at `address`; for one event loop.

    Use it in an `async with` statement, or close it. Its methods are documented at `Client`.
    """

    def __init__(
        self, address: str = DEFAULT_ADDRESS, *, tls: Tls | None = None, token: str | None = None
    ) -> None:
        self.address = address
        self._metadata = metadata(address, tls, token)
        self._channel = opened(address, tls, grpc.aio.insecure_channel, grpc.aio.secure_channel)

    async def spot(self, source: Source, **options: Unpack[SpotOptions]) -> SpotResult:
        with _streams.recorded(source, options) as (whole, chunks):
            async with AsyncSpotStream(
                self._channel, self.address, whole, chunks, self._metadata
            ) as stream:
                return _streams.result(stream.replies, [update async for update in stream])

    def stream(
        self,
        chunks: Iterable[Chunk] | AsyncIterable[Chunk] | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncSpotStream:
        return AsyncSpotStream(self._channel, self.address, options, chunks, self._metadata)

    def listen(
        self,
        chunks: Iterable[Piece] | AsyncIterable[Piece],
        *,
        patience_s: float = 60.0,
        **options: Unpack[StreamOptions],
    ) -> AsyncListening:
        return AsyncListening(
            lambda recorded, settings: self.stream(recorded, **settings),
            awaited(chunks),
            options,
            patience_s,
        )

    async def detect(self, source: Source, **options: Unpack[DetectOptions]) -> Detections:
        return await self._run(_flows.detect(source, options))

    async def detect_batch(
        self, pictures: Iterable[Source | Picture], **options: Unpack[DetectOptions]
    ) -> tuple[Scored, ...]:
        return await self._run(_flows.detect_batch(pictures, options))

    def detect_stream(
        self,
        pictures: Iterable[Source | Picture] | AsyncIterable[Source | Picture],
        **options: Unpack[DetectOptions],
    ) -> AsyncIterator[Scored]:
        return self._looked(Pictures(pictures, options), pictures, options.get("timeout_s"))

    async def score_many(
        self,
        sources: Iterable[Source],
        *,
        kind: SourceKind | None = None,
        concurrency: int = 4,
        spot: SpotOptions | None = None,
        detect: DetectOptions | None = None,
    ) -> AsyncIterator[Scored]:
        free = asyncio.Semaphore(_many.checked(concurrency, sources, kind))

        async def work(source: Source) -> Scored:
            async with free:
                return await self._scored(source, kind, spot or {}, detect or {})

        waiting: deque[asyncio.Task[Scored]] = deque()
        try:
            for source in sources:
                waiting.append(asyncio.create_task(work(source)))
                if len(waiting) > 2 * concurrency:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()

    async def models(self) -> tuple[Model, ...]:
        return await self._run(_flows.models())

    async def model(self, name: str) -> Model:
        return await self._run(_flows.model(name))

    async def train(
        self, kind: Kind, data_folder: str, name: str, settings: Mapping[str, Any] | None = None
    ) -> Training:
        return await self._run(_flows.train(kind, data_folder, name, settings or {}))

    async def training(self, name: str) -> Training:
        return await self._run(_flows.training(name))

    async def wait_training(self, name: str, timeout_s: float | None = None) -> Training:
        return await self._run(_flows.wait_training(name, timeout_s))

    async def cancel_training(self, name: str) -> None:
        return await self._run(_flows.cancel_training(name))

    async def trainings(self) -> tuple[Training, ...]:
        return await self._run(_flows.trainings())

    async def ready(self) -> bool:
        return await self._run(_flows.ready())

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _scored(
        self, source: Source, kind: SourceKind | None, spot: SpotOptions, detect: DetectOptions
    ) -> Scored:
        name = _sources.name_of(source)
        try:
            if _sources.is_picture(source, kind):
                return Scored(name, await self.detect(source, **detect))
            return Scored(name, await self.spot(source, **spot))
        except SweepnetError as error:
            return Scored(name, error=error.message)

    async def _looked(
        self,
        sent: Pictures,
        pictures: Iterable[Source | Picture] | AsyncIterable[Source | Picture],
        timeout_s: float | None,
    ) -> AsyncIterator[Scored]:
        call = _calls.STREAMING_DETECT
        method = self._channel.stream_stream(call.path, call.encode, call.decode)
        with translated(self.address):
            answers: Any = method(
                _messages(sent, pictures), timeout=timeout_s, metadata=self._metadata
            )
            try:
                async for answer in answers:
                    for scored in sent.take(answer):
                        yield scored
            finally:
                answers.cancel()
        for scored in sent.end():
            yield scored

    async def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                step = flow.send(await self._unary(step))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _unary(self, step: Step) -> Any:
        call, request, timeout_s = step
        with translated(self.address):
            method = self._channel.unary_unary(call.path, call.encode, call.decode)
            return await method(request, timeout=timeout_s, metadata=self._metadata)


async def _messages(
    sent: Pictures, pictures: Iterable[Source | Picture] | AsyncIterable[Source | Picture]
) -> AsyncIterator[Any]:
    """As `Pictures.requests`, of pictures that may have to be awaited."""
    yield sent.opening
    try:
        async for given in awaited(pictures):
            if (message := sent.message(given)) is not None:
                yield _convert_pictures.stream_picture(message)
    except Exception as error:
        sent.failure = error


class AsyncSpotStream:
    """A live stream, as `SpotStream`, in an `async with` statement and iterated by `async for`."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        address: str,
        options: StreamOptions,
        chunks: Iterable[Chunk] | AsyncIterable[Chunk] | None,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.replies = Replies(options)
        self._address, self._metadata = address, metadata
        self._waiting: asyncio.Queue[Any] = asyncio.Queue(WAITING_CHUNKS)
        self._ended = chunks is not None
        # At once: in the sending thread its errors would be the server's.
        self._requests = self._messages(_convert.spot_config(options), chunks)
        self._channel, self._timeout_s = channel, options.get("timeout_s")
        self._call: Any = None

    @property
    def opened(self) -> SpotOpened | None:
        return self.replies.opened

    @property
    def summary(self) -> SpotSummary | None:
        return self.replies.summary

    async def send(self, chunk: Chunk) -> None:
        if self._ended:
            raise ValueError("the stream has been ended, or was given its chunks")
        await self._put(self.replies.request(chunk))

    async def end(self) -> None:
        if not self._ended:
            self._ended = True
            await self._put(None)

    def cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()

    async def __aenter__(self) -> AsyncSpotStream:
        if self._call is not None:
            raise ValueError("the stream has been opened already; make another")
        call = _calls.STREAMING_SPOT
        method = self._channel.stream_stream(call.path, call.encode, call.decode)
        with translated(self._address):
            self._call = method(self._requests, timeout=self._timeout_s, metadata=self._metadata)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    async def __aiter__(self) -> AsyncIterator[SpotUpdate]:
        if self._call is None:
            raise ValueError("use the stream in a with statement")
        with self.replies.blaming(), translated(self._address):
            async for reply in self._replies():
                update = self.replies.take(reply)
                if update is not None:
                    yield update
        self.replies.end()

    async def _replies(self) -> AsyncIterator[Any]:
        """The server's messages. A call that was cancelled raises Cancelled: what gRPC raises
        would be taken for the end of the task that reads.
        """
        try:
            async for reply in self._call:
                yield reply
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and not task.cancelling() and self._call.cancelled():
                raise Cancelled("the stream was cancelled") from None
            raise

    async def _messages(
        self, config: Any, chunks: Iterable[Chunk] | AsyncIterable[Chunk] | None
    ) -> AsyncIterator[Any]:
        yield config
        if chunks is None:
            while (message := await self._waiting.get()) is not None:
                yield message
            return
        try:
            async for chunk in awaited(chunks):
                yield self.replies.request(chunk)
        except Exception as error:
            self.replies.failure = error

    async def _put(self, message: Any) -> None:
        while True:
            if self._call is None:
                raise ValueError("use the stream in a with statement")
            if self._call.done():
                raise await self._why_ended()
            try:
                async with asyncio.timeout(0.1):
                    return await self._waiting.put(message)
            except TimeoutError:
                continue

    async def _why_ended(self) -> BaseException:
        try:
            await self._call.wait_for_connection()
        except grpc.RpcError as error:
            return failure(error, self._address)
        return ValueError("the stream has ended")


def _inherit_documentation(kind: type, twin: type) -> None:
    """Each method is described once, at its synchronous twin."""
    for name, method in vars(kind).items():
        if not name.startswith("_"):
            method.__doc__ = vars(twin)[name].__doc__


_inherit_documentation(AsyncClient, Client)
_inherit_documentation(AsyncSpotStream, SpotStream)
