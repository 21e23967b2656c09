"""Audio messages in, news out: live samples as they come, or an uploaded file once it is whole."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from sweepnet_service.engine import Engine
from sweepnet_service.errors import InvalidInput, LimitExceeded
from sweepnet_service.session import (
    PIECE_FRAMES,
    News,
    Opened,
    SpotRequest,
    SpotStream,
    Summary,
)

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.audio import AudioReader


@dataclass(frozen=True)
class Gap:
    """Samples per channel that were lost."""

    sample_count: int


Message = bytes | Gap
Reply = Opened | News | Summary


def spot(
    engine: Engine, request: SpotRequest, messages: AsyncIterator[Message], upload_bytes: int
) -> AsyncGenerator[Reply, None]:
    """Opened, then news, then the summary; the samples' numeric work runs in the engine's pool.

    Close the generator to let the stream's state go.
    """
    if request.encoding == "CONTAINER":
        return spot_file(engine, request, messages, upload_bytes)
    return spot_live(engine, request, messages)


async def spot_live(
    engine: Engine, request: SpotRequest, messages: AsyncIterator[Message]
) -> AsyncGenerator[Reply, None]:
    """Every message is scored before the next is read: a slow server slows its client down."""
    stream = await engine.run(engine.open_stream, request)
    yield stream.opened
    async for message in messages:
        for work in _work(stream, message):
            news = await engine.run(work)
            if news.channels:
                yield news
    yield await engine.run(stream.finish)
    yield stream.summary()


def _work(stream: SpotStream, message: Message) -> Iterator[Callable[[], News]]:
    """What is to be done for a message, in steps that are short."""
    if isinstance(message, Gap):
        yield partial(stream.gap, message.sample_count)
    else:
        yield from (partial(stream.push_bytes, piece) for piece in stream.pieces(message))


class Spool(io.BufferedRandom):
    """A file without a name, which the system removes whatever happens.

    Told to seek before its beginning, as libsndfile does for some damaged headers, it stays.
    """

    def __init__(self) -> None:
        # Closed with this object, which owns it.
        super().__init__(tempfile.TemporaryFile(prefix="sweepnet-", buffering=0))  # noqa: SIM115

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """The new position, or the old one where the new cannot be."""
        try:
            return super().seek(offset, whence)
        except (OSError, ValueError):
            return self.tell()


async def spot_file(
    engine: Engine, request: SpotRequest, messages: AsyncIterator[Message], upload_bytes: int
) -> AsyncGenerator[Reply, None]:
    """The uploaded file goes through the same stream as live audio, block by block."""
    with Spool() as spool:
        await engine.run(engine.keyword_detectors, request.detectors)
        await _spool(engine, messages, spool, upload_bytes)
        stream, reader = await engine.run(_open_file, engine, request, spool)
        with reader:
            blocks = reader.blocks(PIECE_FRAMES)
            yield stream.opened
            while (block := await engine.run(next, blocks, None)) is not None:
                news = await engine.run(stream.push, block)
                if news.channels:
                    yield news
        yield await engine.run(stream.finish)
        yield stream.summary()


async def _spool(
    engine: Engine, messages: AsyncIterator[Message], spool: BinaryIO, upload_bytes: int
) -> None:
    total = 0
    async for message in messages:
        if isinstance(message, Gap):
            raise InvalidInput("gap", "an audio file has no gaps; send samples to have some")
        total += len(message)
        if total > upload_bytes:
            raise LimitExceeded(
                "audio", f"the file is larger than {upload_bytes} bytes (--max-upload-bytes)"
            )
        await engine.run(_write, spool, message)
    spool.seek(0)


def _write(spool: BinaryIO, data: bytes) -> None:
    try:
        spool.write(data)
        spool.flush()
    except OSError as error:
        raise LimitExceeded(
            "audio", f"the server cannot keep the file: {error.strerror}; try later"
        ) from None


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
    return engine.open_stream(known), reader
