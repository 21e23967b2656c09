"""Streams with an end to patience: a client that neither speaks nor listens is let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import grpc

T = TypeVar("T")


class StreamTooLong(TimeoutError):
    """A stream was open for as long as one may be; who has more to say opens another."""


async def patient(
    requests: AsyncIterator[T], idle_s: float, longest_s: float | None = None
) -> AsyncIterator[T]:
    """The same messages; raises TimeoutError when the client is silent for longer than `idle_s`,
    StreamTooLong when it speaks for longer than `longest_s` in all.

    grpc.aio never cancels the call of a client that forgot it, so this is what frees its state.
    """
    begun = time.monotonic()
    while True:
        if longest_s is not None and time.monotonic() - begun > longest_s:
            raise StreamTooLong(
                f"stream: open for more than {longest_s:g} s (--max-stream-s); open another"
            )
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


async def answer(context: grpc.aio.ServicerContext[Any, Any], reply: Any, idle_s: float) -> None:
    """Send a reply; raises TimeoutError when the client takes none for longer than `idle_s`."""
    try:
        async with asyncio.timeout(idle_s):
            await context.write(reply)
    except TimeoutError:
        raise TimeoutError(
            f"stream: no reply taken for {idle_s:g} s (--idle-timeout-s); read the replies"
        ) from None
