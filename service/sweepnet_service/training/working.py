"""A worker's life: work until told to stop, then give the job back."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweepnet_service.errors import InvalidInput
from sweepnet_service.training.keeping import Keeping
from sweepnet_service.training.worker import Workplace, work


def run(
    models: Path,
    records: str = "",
    once: bool = False,
    until: Coroutine[Any, Any, None] | None = None,
) -> None:
    """Do the jobs of the records at this URL ("": those in the folder of models) until SIGTERM,
    SIGINT or the end of `until`; with `once` until none is left.
    """
    if not models.is_dir():
        raise InvalidInput("models", f"no folder named {models} (--models)")
    keeping = Keeping(models, records)
    try:
        asyncio.run(_work(Workplace(models, keeping.database), once, until))
    finally:
        keeping.close()


async def _work(workplace: Workplace, once: bool, until: Coroutine[Any, Any, None] | None) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    waiting = None if until is None else asyncio.create_task(_stopped(until, stop))
    try:
        await work(workplace, stop, once)
    finally:
        if waiting is not None:
            waiting.cancel()


async def _stopped(until: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    await until
    stop.set()
