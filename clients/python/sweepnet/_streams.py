"""A stream of audio without input or output of its own: requests to send, replies to understand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from sweepnet import _arrays, _convert, _sources
from sweepnet._arrays import Array
from sweepnet._checks import checked
from sweepnet._sources import Source
from sweepnet.errors import InvalidInput, ServerFault, SweepnetError
from sweepnet.inputs import ChannelChunk, Gap
from sweepnet.options import SpotOptions, StreamOptions
from sweepnet.results import SpotOpened, SpotResult, SpotSummary, SpotUpdate

Piece = bytes | Array | Gap
"""All channels together."""
Chunk = Piece | ChannelChunk | Sequence[ChannelChunk]


@dataclass(frozen=True)
class Form:
    """What the bytes of a stream hold, into which arrays are turned."""

    encoding: str
    channel_count: int

    @classmethod
    def of(cls, options: StreamOptions) -> Form:
        """The form that the options of a stream name; TypeError or InvalidInput for wrong ones."""
        checked(options, StreamOptions)
        encoding = str(options.get("encoding", "LINEAR16")).upper()
        return cls(encoding, max(1, options.get("channel_count", 1)))

    def plain(self, chunk: Any) -> Any:
        """The chunk with bytes for each array in it."""
        if _arrays.is_array(chunk):
            return _arrays.samples(chunk, self.encoding, self.channel_count)
        if isinstance(chunk, ChannelChunk):
            return ChannelChunk(chunk.channel, Form(self.encoding, 1).plain(chunk.content))
        return [*map(self.plain, chunk)] if isinstance(chunk, list | tuple) else chunk


class Replies:
    """One stream: what to send for a chunk, and what the server has told so far."""

    def __init__(self, options: StreamOptions) -> None:
        self._form = Form.of(options)
        self.opened: SpotOpened | None = None
        self.summary: SpotSummary | None = None
        self.failure: BaseException | None = None

    def take(self, reply: Any) -> SpotUpdate | None:
        """The update in a reply; None for the first and the last, which are kept."""
        if self.failure is not None:
            raise self.failure
        match reply.WhichOneof("content"):
            case "opened":
                self.opened = _convert.opened(reply.opened)
            case "summary":
                self.summary = _convert.summary(reply.summary)
            case "update" if self.opened is not None:
                return _convert.update(reply.update, self.opened)
        return None

    def end(self) -> None:
        """Raises what went wrong while sending, or the lack of a summary."""
        if self.failure is not None:
            raise self.failure
        if self.summary is None:
            raise ServerFault("the server ended the stream without a summary")

    @contextmanager
    def blaming(self) -> Iterator[None]:
        """Of what ends the block, what went wrong while sending comes first: the server heard less
        than was meant, and may have complained of that.
        """
        try:
            yield
        except SweepnetError:
            if self.failure is not None:
                raise self.failure from None
            raise

    def request(self, chunk: Chunk) -> Any:
        """A message behind the first."""
        return _convert.audio_request(self._form.plain(chunk))

    def requests(self, chunks: Iterable[Chunk]) -> Iterator[Any]:
        """Messages behind the first; a failure of the caller's chunks is kept for the reader."""
        try:
            for chunk in chunks:
                yield self.request(chunk)
        except GeneratorExit:
            raise
        except BaseException as error:  # SystemExit too: gRPC's thread would swallow it
            self.failure = error


@contextmanager
def recorded(
    source: Source, options: SpotOptions
) -> Iterator[tuple[StreamOptions, Iterator[bytes]]]:
    """Options and chunks of the stream that carries a whole recording."""
    checked(options, SpotOptions)
    if _arrays.is_array(source):
        source, options = _raw(source, options)
    fixed: StreamOptions = {"encoding": "CONTAINER", "replies": "aggregates"}
    whole = cast("StreamOptions", {**fixed, **options})
    with _sources.opened(source) as file:
        yield whole, _sources.chunks(file, whole.get("channel_count", 1))


def _raw(array: Array, options: SpotOptions) -> tuple[bytes, SpotOptions]:
    """The bytes of an array of samples, and the options that tell what they hold."""
    given = options["encoding"].upper() if "encoding" in options else None
    encoding = _arrays.encoding_of(array, given)
    count = options.get("channel_count", _arrays.channels_of(array))
    data = _arrays.samples(array, encoding, count)
    if "rate_hz" not in options:
        raise InvalidInput("rate_hz: an array does not tell its rate; give rate_hz=16_000, ...")
    more = {**options, "encoding": encoding, "channel_count": count}
    return data, cast("SpotOptions", more)


def result(replies: Replies, updates: Sequence[SpotUpdate]) -> SpotResult:
    """A recording's answer, once its stream has ended."""
    opened, summary = replies.opened, replies.summary
    if opened is None or summary is None:
        raise ServerFault("the server ended the stream without a summary")
    if not summary.duration_s:
        raise InvalidInput("the recording holds no samples; expected at least one")
    scores = {label: 0.0 for detector in opened.detectors for label in detector.labels}
    for channel in summary.channels:
        for aggregate in channel.aggregates:
            scores[aggregate.label] = max(scores[aggregate.label], aggregate.maximum)
    events = [event for channel in summary.channels for event in channel.events]
    told = tuple(
        channel
        for update in updates
        for channel in update.channels
        if channel.windows or channel.features is not None or channel.explanations
    )
    in_order = tuple(sorted(events, key=lambda event: (event.start_sample, event.channel)))
    return SpotResult(summary.duration_s, scores, in_order, opened, summary.channels, told)
