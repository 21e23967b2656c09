"""Audio messages in, news out: live samples as they come, or an uploaded file once it is whole."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from sweepnet_service import metrics
from sweepnet_service.engine import Engine
from sweepnet_service.errors import InvalidInput, LimitExceeded, Overloaded
from sweepnet_service.limits import Limits
from sweepnet_service.live.batcher import Batcher
from sweepnet_service.live.lane import told
from sweepnet_service.live.pace import Pace
from sweepnet_service.live.replies import ChannelNews, News, Opened, Summary
from sweepnet_service.live.request import SpotRequest
from sweepnet_service.live.stream import Message, SpotStream, Step, batch_alone

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.audio import AudioReader
    from sweepnet_service.live.stream import BatchOf


Reply = Opened | News | Summary
Hear: TypeAlias = Callable[[Step], Awaitable[News]]
LIVE_PIECE_S, LEAST_PIECE_S = 1.0, 0.1
"""Audio of one step of a live stream: of its sessions added up, but of each at least so much."""
MOST_LIVE_LANES = 64
"""A stream of more sessions is scored by itself: others would wait too long for a step of it."""


def spot(
    engine: Engine, request: SpotRequest, messages: AsyncIterator[Message], uploads: Uploads
) -> AsyncGenerator[Reply, None]:
    """Opened, then news, then the summary; the numeric work of it alone, in the engine's pool.

    Close the generator to let the stream's state go.
    """
    if request.encoding == "CONTAINER":
        return spot_file(engine, request, messages, uploads)
    return spot_samples(engine, request, messages)


async def spot_live(
    engine: Engine, request: SpotRequest, messages: AsyncIterator[Message], batcher: Batcher
) -> AsyncGenerator[Reply, None]:
    """The same of samples that come live, scored together with those of other streams.

    Raises Overloaded where the streams there are would suffer from one more.
    """
    with metrics.refused():
        channels = len(request.channels) or request.channel_count or 1
        batcher.load.admit(id(request), channels * max(1, len(request.detectors)))
    try:
        stream = await engine.run(_open_live, engine, request, batcher.batch_of)
        hear: Hear = partial(batcher.news, stream)
        if stream.lane_count > MOST_LIVE_LANES:
            hear = _in_pool(engine, stream)
        longest = live_frames(stream)
        with metrics.LIVE.track_inprogress():
            async for reply in _replies(stream, messages, hear, longest):
                yield reply
    finally:
        batcher.load.gone(id(request))


def live_frames(stream: SpotStream) -> int:
    """Frames of a piece of live audio; usual chunks of many channels are not cut."""
    longest_s = max(LEAST_PIECE_S, LIVE_PIECE_S / max(1, stream.lane_count))
    return max(1, round(longest_s * stream.request.rate_hz))


async def spot_samples(
    engine: Engine, request: SpotRequest, messages: AsyncIterator[Message]
) -> AsyncGenerator[Reply, None]:
    """The same of samples that are all there."""
    stream = await engine.run(_open, engine, request)
    async for reply in _replies(stream, messages, _in_pool(engine, stream)):
        yield reply


async def _replies(
    stream: SpotStream,
    messages: AsyncIterator[Message],
    hear: Hear,
    longest_frames: int | None = None,
) -> AsyncGenerator[Reply, None]:
    """Every message is scored before the next is read: a slow server slows its client down."""
    pace = Pace(stream.request)
    yield stream.opened
    async for message in messages:
        for step in stream.steps(message, longest_frames):
            if (news := pace.due(await hear(step))) is not None:
                yield news
    yield pace.last(await hear(stream.last_step))
    yield stream.summary()


def _in_pool(engine: Engine, stream: SpotStream) -> Hear:
    async def hear(step: Step) -> News:
        return await engine.run(heard_alone, stream, step)

    return hear


def heard_alone(stream: SpotStream, step: Step) -> News:
    """The news of a step of this stream alone; raises what it cannot be for."""
    news: list[ChannelNews] = []
    for each in told(step.begin()):
        if isinstance(each, Exception):
            raise each
        news.append(each)
    return stream.news(news, step.urgent)


def _open(engine: Engine, request: SpotRequest) -> SpotStream:
    detectors = engine.keyword_detectors(request.detectors)
    return SpotStream(request, detectors, watch=engine.watch())


def _open_live(engine: Engine, request: SpotRequest, batch_of: BatchOf) -> SpotStream:
    """Its sessions share the steps of others, unless they are so many that those would wait."""
    detectors = engine.keyword_detectors(request.detectors)
    lanes = len(detectors) * (len(request.channels) or request.channel_count or 1)
    shared = batch_alone if lanes > MOST_LIVE_LANES else batch_of
    return SpotStream(request, detectors, shared, engine.watch(), engine.succession(shared))


async def shorter(
    replies: AsyncIterator[Reply], start_sample: int, longest_s: float
) -> AsyncIterator[Reply]:
    """The same replies; raises LimitExceeded once they tell of more than `longest_s` of audio."""
    longest = 0.0
    async for reply in replies:
        if isinstance(reply, Opened):
            longest = longest_s * reply.rate_hz / (len(reply.channels) * len(reply.detectors))
        elif isinstance(reply, News) and reply.read_until - start_sample > longest:
            raise LimitExceeded(
                "audio",
                f"longer than {longest_s:g} s, its channels and detectors added up "
                "(--max-spot-s); send it by StreamingSpot, or ask for fewer channels",
            )
        yield reply


class Spool(io.BufferedRandom):
    """A file without a name, which the system removes whatever happens.

    Told to seek before its beginning, as libsndfile does for some damaged headers, it stays.
    """

    def __init__(self, folder: Path | None) -> None:
        # Closed with this object, which owns it.
        nameless = tempfile.TemporaryFile(prefix="sweepnet-", dir=folder, buffering=0)  # noqa: SIM115
        super().__init__(nameless)
        self.size = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """The new position, or the old one where the new cannot be."""
        try:
            return super().seek(offset, whence)
        except (OSError, ValueError):
            return self.tell()


class Uploads:
    """The uploaded files of all clients: where they lie, and how many bytes there is room for."""

    def __init__(self, limits: Limits, folder: Path | None = None) -> None:
        self._limits, self._folder = limits, folder
        self.kept_bytes = 0

    @contextmanager
    def spool(self) -> Iterator[Spool]:
        """An empty file; its room is given back at the end."""
        try:
            spool = Spool(self._folder)
        except OSError as error:
            raise _no_room(error.strerror) from None
        try:
            with spool:
                yield spool
        finally:
            self.kept_bytes -= spool.size

    def grow(self, spool: Spool, count: int) -> None:
        """Room for so many more bytes; raises LimitExceeded where there never is, Overloaded
        where others have it.
        """
        for most, setting in (
            (self._limits.upload_bytes, "--max-upload-bytes"),
            (self._limits.spool_bytes, "--max-spool-bytes"),
        ):
            if spool.size + count > most:
                raise LimitExceeded("audio", f"the file is larger than {most} bytes ({setting})")
        if self.kept_bytes + count > self._limits.spool_bytes:
            raise _no_room("others fill its room for files (--max-spool-bytes)")
        spool.size += count
        self.kept_bytes += count


def _no_room(reason: str | None) -> Overloaded:
    return Overloaded("audio", f"the server cannot keep the file: {reason}; try later")


async def spot_file(
    engine: Engine, request: SpotRequest, messages: AsyncIterator[Message], uploads: Uploads
) -> AsyncGenerator[Reply, None]:
    """The uploaded file goes through the same stream as live audio, block by block."""
    with uploads.spool() as spool:
        await engine.run(engine.keyword_detectors, request.detectors)
        await _spool(engine, messages, spool, uploads)
        stream, reader = await engine.run(_open_file, engine, request, spool)
        pace, hear = Pace(stream.request), _in_pool(engine, stream)
        with reader:
            blocks = reader.blocks(stream.piece_frames)
            yield stream.opened
            while (block := await engine.run(next, blocks, None)) is not None:
                step = Step(partial(stream.push, block), 0)
                if (news := pace.due(await hear(step))) is not None:
                    yield news
        yield pace.last(await hear(stream.last_step))
        yield stream.summary()


async def _spool(
    engine: Engine, messages: AsyncIterator[Message], spool: Spool, uploads: Uploads
) -> None:
    async for message in messages:
        if not isinstance(message, bytes):
            raise InvalidInput(
                "content",
                "an audio file has neither gaps nor channels that come each by itself; "
                "send samples to have some",
            )
        uploads.grow(spool, len(message))
        await engine.run(_write, spool, message)
    spool.seek(0)


def _write(spool: Spool, data: bytes) -> None:
    try:
        spool.write(data)
        spool.flush()
    except OSError as error:
        raise _no_room(error.strerror) from None


def _open_file(
    engine: Engine, request: SpotRequest, spool: BinaryIO
) -> tuple[SpotStream, AudioReader]:
    from sweepnet_service.detectors.keyword.audio import open_audio

    if request.rate_hz or request.channel_count:
        raise InvalidInput(
            "audio_format", "the file's header names rate and channels; leave both 0 for CONTAINER"
        )
    reader = open_audio(spool)
    known = replace(request, rate_hz=reader.rate_hz, channel_count=reader.channels)
    return _open(engine, known), reader
