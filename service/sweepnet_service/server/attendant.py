"""A worker process beside the server: started with the first work, begun again when it dies."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60.0
"""A worker that lived so long did not die of its start."""
FAREWELL_S = 15.0
log = structlog.get_logger("sweepnet")


class Attendant:
    """Sees that a worker runs from the first `wake` on; it ends with the server, kill -9 included,
    as its standard input does.
    """

    def __init__(self, models: Path | None, records: str = "") -> None:
        self._models, self._records = models, records
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is work."""
        if self._task is None and self._models is not None:
            self._task = asyncio.create_task(self._attend(self._models))

    async def wake_for(self, waiting: Callable[[], bool]) -> None:
        """Begin at once where an earlier server left work behind."""
        if self._models is not None and await asyncio.to_thread(waiting):
            self.wake()

    async def close(self) -> None:
        """End the worker; its job goes back to those that wait."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _attend(self, models: Path) -> None:
        pause_s, loop = FIRST_PAUSE_S, asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            try:
                ending: dict[str, object] = {"exit_code": await self._live(models)}
            except OSError as error:  # no memory, no room for another process: later there may be
                ending = {"not_begun": error.strerror}
            pause_s = FIRST_PAUSE_S if loop.time() - began_s > STEADY_S else pause_s
            with suppress(OSError, ValueError):
                log.warning("worker ended", **ending, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _live(self, models: Path) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "sweepnet_service.training", "--models", str(models)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, "SWEEPNET_RECORDS": self._records},
            start_new_session=True,
        )
        try:
            return await process.wait()
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(FAREWELL_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
