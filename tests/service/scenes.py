"""Scenes: a server and a channel to it in one event loop, and what is said over it by hand."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2

from sweepnet_protos.v1 import (
    audio_pb2,
    keyword_spotter_pb2_grpc,
)
from sweepnet_protos.v1 import keyword_spotter_pb2 as pb2
from sweepnet_service.server.app import Running, running
from sweepnet_service.server.settings import Settings

Scene = Callable[[Running, grpc.aio.Channel], Awaitable[None]]

SECOND = np.zeros(16_000, np.float32).tobytes()


def play(scene: Scene, models: Path, **changed: Any) -> None:
    """Run a scene against a server of its own, in one event loop."""

    async def whole() -> None:
        settings = Settings(port=0, models=models, **{"grace_s": 0, **changed})
        async with (
            running(settings) as app,
            grpc.aio.insecure_channel(app.address) as channel,
        ):
            await scene(app, channel)

    asyncio.run(whole())


def opening() -> pb2.StreamingSpotRequest:
    shape = audio_pb2.AudioFormat(
        encoding=audio_pb2.AUDIO_ENCODING_FLOAT32, sample_rate_hz=16_000, channel_count=1
    )
    wanted = pb2.SpotConfig(detectors=["detectors/tiny"], audio_format=shape)
    return pb2.StreamingSpotRequest(config=wanted)


def container() -> pb2.StreamingSpotRequest:
    """The opening of a stream that carries a file."""
    first = opening()
    shape = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_CONTAINER)
    first.config.audio_format.CopyFrom(shape)
    return first


def audio(data: bytes) -> pb2.StreamingSpotRequest:
    return pb2.StreamingSpotRequest(audio=data)


def call_of(channel: grpc.aio.Channel) -> Any:
    return keyword_spotter_pb2_grpc.KeywordSpotterServiceStub(channel).StreamingSpot()


async def rest_of(call: Any) -> list[Any]:
    """The replies that are left, of a call that was read and written by hand."""
    replies = []
    while (reply := await call.read()) is not grpc.aio.EOF:
        replies.append(reply)
    return replies


async def failing(call: Any) -> grpc.aio.AioRpcError:
    """The error that the call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rest_of(call)
    return caught.value


def retry_after_s(error: grpc.aio.AioRpcError) -> float:
    """When the server says that the call may be served."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(bytes(value)).details:
                wait = error_details_pb2.RetryInfo()
                if detail.Unpack(wait):
                    return wait.retry_delay.ToTimedelta().total_seconds()
    raise AssertionError("no RetryInfo")


async def until(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            gc.collect()
            await asyncio.sleep(0.02)


def png_file() -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.linear_gradient("L").resize((90, 70)).save(file, "PNG")
    return file.getvalue()
