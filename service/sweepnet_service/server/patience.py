"""Reading a client's messages with an end to patience: an idle stream is ended by the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def patient(requests: AsyncIterator[T], idle_s: float) -> AsyncIterator[T]:
    """The same messages; raises TimeoutError when the client is silent for longer than `idle_s`.

    grpc.aio never cancels the call of a client that forgot it, so this is what frees its state.
    """
    while True:
        try:
            async with asyncio.timeout(idle_s):
                message = await anext(requests, None)
        except TimeoutError:
            raise TimeoutError(
                f"stream: no message for {idle_s:g} s (--idle-timeout-s); "
                "send audio or close the stream"
            ) from None
        if message is None:
            return
        yield message
