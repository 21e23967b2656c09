"""A stream of audio without input or output of its own: requests to send, replies to understand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from sweepnet import _convert
from sweepnet._checks import checked
from sweepnet.errors import InvalidInput, ServerFault
from sweepnet.options import SpotOptions, StreamOptions
from sweepnet.results import ChannelChunk, Gap, SpotOpened, SpotResult, SpotSummary, SpotUpdate

Piece = bytes | Gap
"""All channels together."""
Chunk = Piece | ChannelChunk | Sequence[ChannelChunk]


class Replies:
    """What the server has told of one stream so far."""

    def __init__(self) -> None:
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

    def requests(self, chunks: Iterable[Chunk]) -> Iterator[Any]:
        """Messages behind the first; a failure of the caller's chunks is kept for the reader."""
        try:
            for chunk in chunks:
                yield _convert.audio_request(chunk)
        except GeneratorExit:
            raise
        except BaseException as error:  # SystemExit too: gRPC's thread would swallow it
            self.failure = error


def of_file(options: SpotOptions) -> StreamOptions:
    """Options of the stream that carries a whole file."""
    checked(options, SpotOptions)
    fixed: StreamOptions = {"encoding": "CONTAINER", "replies": "aggregates"}
    return cast("StreamOptions", {**fixed, **options})


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
