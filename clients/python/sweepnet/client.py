"""The client: one connection to a server, safe to share between threads."""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar, Unpack

import grpc

from sweepnet import _calls, _convert, _flows, _many, _sources, _streams
from sweepnet._channel import DEFAULT_ADDRESS, Tls, metadata, opened
from sweepnet._failures import failure, translated
from sweepnet._flows import Flow, Step
from sweepnet._pictures import Pictures
from sweepnet._sources import Source, SourceKind
from sweepnet._streams import Chunk, Piece, Replies
from sweepnet.errors import SweepnetError
from sweepnet.inputs import Picture
from sweepnet.listening import Listening
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


class Client:
    """Finds words in audio and objects in pictures, by a server at `address`.

    Use it in a `with` statement, or close it. All methods raise the errors of `sweepnet.errors`.
    Any number of threads may use one client at once; a stream belongs to one that reads it and
    one that sends. Where the server is away for a moment, calls that change nothing are made
    again; recordings are so by `sweepnet.batch`, endless audio by `listen`, a training by nobody.
    `tls` encrypts the connection, `token` says who calls.
    """

    def __init__(
        self, address: str = DEFAULT_ADDRESS, *, tls: Tls | None = None, token: str | None = None
    ) -> None:
        self.address = address
        self._metadata = metadata(address, tls, token)
        self._channel = opened(address, tls, grpc.insecure_channel, grpc.secure_channel)

    def spot(self, source: Source, **options: Unpack[SpotOptions]) -> SpotResult:
        """Words in a recording: a path, the bytes of an audio file, an open one, or an array of
        samples, which needs its `rate_hz`.

        Bytes without a header need their `encoding`, and `rate_hz` and `channel_count` where not
        the default.
        """
        with (
            _streams.recorded(source, options) as (whole, chunks),
            SpotStream(self._channel, self.address, whole, chunks, self._metadata) as stream,
        ):
            return _streams.result(stream.replies, list(stream))

    def stream(
        self, chunks: Iterable[Chunk] | None = None, **options: Unpack[StreamOptions]
    ) -> SpotStream:
        """A live stream, to be used in a `with` statement and iterated for its updates.

        `chunks` are sent as they come (raw samples, 16-bit unless `encoding` says otherwise);
        without them, `send` sends and `end` closes. Leaving the `with` statement cancels what runs.

            with client.stream(chunks, rate_hz=8000) as stream:
                for update in stream:
                    print(update.read_until_s)
        """
        return SpotStream(self._channel, self.address, options, chunks, self._metadata)

    def listen(
        self,
        chunks: Iterable[Piece],
        *,
        patience_s: float = 60.0,
        **options: Unpack[StreamOptions],
    ) -> Listening:
        """Endless audio: a live stream that goes on when its connection or its server is lost.

        Chunks are samples, or `Gap`. The server is waited for up to `patience_s`; then audio that
        the next answers may hang on is sent again. No window and no event is lost or told twice;
        aggregates over more than a minute begin afresh. Use it in a `with` statement.
        """
        return Listening(
            lambda recorded, settings: self.stream(recorded, **settings),
            chunks,
            options,
            patience_s,
        )

    def detect(self, source: Source, **options: Unpack[DetectOptions]) -> Detections:
        """Objects in a picture: a path, the bytes of a picture file, an open one, or an array of
        uint8 pixels.
        """
        return self._run(_flows.detect(source, options))

    def detect_batch(
        self, pictures: Iterable[Source | Picture], **options: Unpack[DetectOptions]
    ) -> tuple[Scored, ...]:
        """Objects in a few pictures, by one call: what fits into a message of the server.

        One that cannot be read comes with its error. `Picture(source, region)` has a region of
        its own.
        """
        return self._run(_flows.detect_batch(pictures, options))

    def detect_stream(
        self, pictures: Iterable[Source | Picture], **options: Unpack[DetectOptions]
    ) -> Iterator[Scored]:
        """Objects in any number of pictures over one call, such as the frames of a camera.

        Each is sent as it comes and answered in its turn; one that cannot be read yields its error,
        and the others go on. Closing the iterator ends the call; `timeout_s` limits all of it.
        """
        return self._looked(Pictures(pictures, options), pictures, options.get("timeout_s"))

    def score_many(
        self,
        sources: Iterable[Source],
        *,
        kind: SourceKind | None = None,
        concurrency: int = 4,
        spot: SpotOptions | None = None,
        detect: DetectOptions | None = None,
    ) -> Iterator[Scored]:
        """Results of many recordings and pictures, in their order, a few at a time.

        What each one is shows in its first bytes or its suffix, unless `kind` says it. One that
        fails yields its error, and the others go on.
        """

        def work(source: Source) -> SpotResult | Detections:
            if _sources.is_picture(source, kind):
                return self.detect(source, **(detect or {}))
            return self.spot(source, **(spot or {}))

        waiting: deque[tuple[Source, Future[SpotResult | Detections]]] = deque()
        pool = ThreadPoolExecutor(_many.checked(concurrency, sources, kind), "score")
        try:
            for source in sources:
                waiting.append((source, pool.submit(work, source)))
                if len(waiting) > 2 * concurrency:
                    yield _finished(*waiting.popleft())
            while waiting:
                yield _finished(*waiting.popleft())
        finally:
            # Whoever stops early does not wait for what is under way.
            pool.shutdown(wait=False, cancel_futures=True)

    def models(self) -> tuple[Model, ...]:
        """Detectors that the server holds, in order of name."""
        return self._run(_flows.models())

    def model(self, name: str) -> Model:
        """Everything about one detector."""
        return self._run(_flows.model(name))

    def train(
        self, kind: Kind, data_folder: str, name: str, settings: Mapping[str, Any] | None = None
    ) -> Training:
        """Start a training on a folder that the server may read; `name` is the new model's."""
        return self._run(_flows.train(kind, data_folder, name, settings or {}))

    def training(self, name: str) -> Training:
        """How far a training is; `name` is the one that `train` told."""
        return self._run(_flows.training(name))

    def wait_training(self, name: str, timeout_s: float | None = None) -> Training:
        """A training once it has ended, or as it is after `timeout_s`."""
        return self._run(_flows.wait_training(name, timeout_s))

    def cancel_training(self, name: str) -> None:
        """Ask a training to stop."""
        return self._run(_flows.cancel_training(name))

    def trainings(self) -> tuple[Training, ...]:
        """All trainings that the server remembers."""
        return self._run(_flows.trainings())

    def ready(self) -> bool:
        """Whether the server takes calls; False while it is being stopped."""
        return self._run(_flows.ready())

    def close(self) -> None:
        """End the connection and every call on it."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _looked(
        self, sent: Pictures, pictures: Iterable[Source | Picture], timeout_s: float | None
    ) -> Iterator[Scored]:
        call = _calls.STREAMING_DETECT
        method = self._channel.stream_stream(call.path, call.encode, call.decode)
        with translated(self.address):
            answers = method(sent.requests(pictures), timeout=timeout_s, metadata=self._metadata)
            try:
                for answer in answers:
                    yield from sent.take(answer)
            finally:
                answers.cancel()
        yield from sent.end()

    def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                step = flow.send(self._unary(step))
        except StopIteration as end:
            result: T = end.value
            return result

    def _unary(self, step: Step) -> Any:
        call, request, timeout_s = step
        with translated(self.address):
            method = self._channel.unary_unary(call.path, call.encode, call.decode)
            return method(request, timeout=timeout_s, metadata=self._metadata)


def _finished(source: Source, work: Future[SpotResult | Detections]) -> Scored:
    name = _sources.name_of(source)
    try:
        return Scored(name, work.result())
    except SweepnetError as error:
        return Scored(name, error=error.message)


class SpotStream:
    """A live stream: iterate it for updates; `opened` and `summary` are its ends."""

    def __init__(
        self,
        channel: grpc.Channel,
        address: str,
        options: StreamOptions,
        chunks: Iterable[Chunk] | None,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.replies = Replies(options)
        self._address, self._metadata = address, metadata
        self._waiting: queue.Queue[Any] = queue.Queue(WAITING_CHUNKS)
        self._ended = chunks is not None
        # At once: in the sending thread its errors would be the server's.
        self._requests = self._messages(_convert.spot_config(options), chunks)
        self._channel, self._timeout_s = channel, options.get("timeout_s")
        self._call: Any = None

    @property
    def opened(self) -> SpotOpened | None:
        """What is scored, once the server has told."""
        return self.replies.opened

    @property
    def summary(self) -> SpotSummary | None:
        """The whole stream in short, once it has ended."""
        return self.replies.summary

    def send(self, chunk: Chunk) -> None:
        """Send more audio; waits while the server is behind."""
        if self._ended:
            raise ValueError("the stream has been ended, or was given its chunks")
        self._put(self.replies.request(chunk))

    def end(self) -> None:
        """Nothing more will be sent; the last replies can be read."""
        if not self._ended:
            self._ended = True
            self._put(None)

    def cancel(self) -> None:
        """End the call at once; the server lets its state go."""
        if self._call is not None:
            self._call.cancel()
        # gRPC's sending thread may wait for a chunk: the end is what it gets.
        with contextlib.suppress(queue.Full, queue.Empty):
            if self._waiting.full():
                self._waiting.get_nowait()
            self._waiting.put_nowait(None)

    def __enter__(self) -> SpotStream:
        if self._call is not None:
            raise ValueError("the stream has been opened already; make another")
        call = _calls.STREAMING_SPOT
        method = self._channel.stream_stream(call.path, call.encode, call.decode)
        with translated(self._address):
            self._call = method(self._requests, timeout=self._timeout_s, metadata=self._metadata)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()

    def __iter__(self) -> Iterator[SpotUpdate]:
        if self._call is None:
            raise ValueError("use the stream in a with statement")
        with self.replies.blaming(), translated(self._address):
            for reply in self._call:
                update = self.replies.take(reply)
                if update is not None:
                    yield update
        self.replies.end()

    def _messages(self, config: Any, chunks: Iterable[Chunk] | None) -> Iterator[Any]:
        yield config
        yield from self._sent() if chunks is None else self.replies.requests(chunks)

    def _sent(self) -> Iterator[Any]:
        while (message := self._waiting.get()) is not None:
            yield message

    def _put(self, message: Any) -> None:
        while True:
            if self._call is None or not self._call.is_active():
                raise self._why_ended()
            try:
                return self._waiting.put(message, timeout=0.1)
            except queue.Full:
                continue

    def _why_ended(self) -> BaseException:
        if self._call is None:
            return ValueError("use the stream in a with statement")
        return failure(self._call, self._address)
