"""A worker process watched from the server: JSON lines become progress, a model, an error."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweepnet_service import errors
from sweepnet_service.errors import FailedPrecondition, SweepnetError
from sweepnet_service.progress import Progress

SILENCE_S = 60.0
"""The worker sends a line every few seconds; silent for so long, it is taken for dead."""
FAREWELL_S = 5.0
LONGEST_LINE = 1 << 20


async def run_worker(
    kind: str, model: str, data: Path, place: Path, settings: Mapping[str, Any]
) -> AsyncIterator[Progress | Path]:
    """Progress, and last the path of the model file; raises the worker's error.

    Leaving the iteration in any way ends the process.
    """
    order = {"kind": kind, "model": model, "data": str(data), "place": str(place)}
    process = await _started({**order, "settings": dict(settings)})
    try:
        while line := await _line(process):
            told = _told(line)
            if told is not None:
                yield told
            if isinstance(told, Path):
                return
        code = await process.wait()
        raise FailedPrecondition("training", f"the worker died (exit code {code})")
    finally:
        await _end(process)


async def _started(order: dict[str, Any]) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sweepnet_service.training.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(order).encode() + b"\n")
    await process.stdin.drain()
    return process


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SILENCE_S):
            return await process.stdout.readline()
    except TimeoutError:
        raise FailedPrecondition("training", f"the worker was silent for {SILENCE_S:g} s") from None


def _told(line: bytes) -> Progress | Path | None:
    message = json.loads(line)
    match message.pop("event"):
        case "progress":
            return Progress(**message)
        case "done":
            return Path(message["path"])
        case "error":
            raise _error(message)
        case _:
            return None


def _error(message: Mapping[str, str]) -> SweepnetError:
    """The error that the worker raised, by the name of its class."""
    kind = getattr(errors, message["kind"], FailedPrecondition)
    known = isinstance(kind, type) and issubclass(kind, SweepnetError)
    return (kind if known else FailedPrecondition)(message["where"], message["message"])


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask the process to stop, then stop it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(FAREWELL_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
