"""What a server does beside its calls: new versions are taken up as they appear in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from sweepnet_service.store import Library

LOOK_EVERY_S = 1.0
log = structlog.get_logger("sweepnet")


@asynccontextmanager
async def kept_up(library: Library, every_s: float = LOOK_EVERY_S) -> AsyncIterator[None]:
    """While inside, the library follows its folder; models are loaded in a thread of their own
    before they take the place of others.
    """
    task = asyncio.create_task(_follow(library, every_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _follow(library: Library, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(library.refresh)
        except Exception as error:  # a folder that is gone for a while must not end the following
            with suppress(OSError, ValueError):
                log.warning("models cannot be looked at", kind=type(error).__name__)
