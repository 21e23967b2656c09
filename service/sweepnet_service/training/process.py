"""A worker process watched from the server: JSON lines become progress, a model, an error."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from sweepnet_service import errors
from sweepnet_service.errors import FailedPrecondition, SweepnetError
from sweepnet_service.progress import Progress

SILENCE_S = 60.0
"""The worker sends a line every few seconds; silent for so long, it is taken for dead."""
FAREWELL_S = 5.0
MOST = 1 << 53
LONGEST_LINE = 1 << 20
TOO_LONG = b"\n"
"""Stands for a line beyond LONGEST_LINE; like every line that means nothing, it is passed over."""


async def run_worker(
    kind: str, model: str, data: Path, place: Path, settings: Mapping[str, Any]
) -> AsyncGenerator[Progress | Path, None]:
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
    except ValueError:
        return TOO_LONG
    except TimeoutError:
        raise FailedPrecondition("training", f"the worker was silent for {SILENCE_S:g} s") from None


def _told(line: bytes) -> Progress | Path | None:
    """What a line says; None for one that says nothing. Raises the error it tells of."""
    try:
        message = json.loads(line)
        event = message["event"]
        if event == "progress":
            return _progress(message)
        if event == "done":
            return Path(message["path"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if event == "error":
        raise _error(message)
    return None


def _progress(message: Mapping[str, Any]) -> Progress:
    known = {field.name: message[field.name] for field in fields(Progress)}
    seconds_left = known["seconds_left"]
    numbers = (known["done"], known["total"], seconds_left or 0)
    if not all(isinstance(x, int | float) and 0 <= x < MOST for x in numbers):
        raise ValueError(f"got {numbers}; expected numbers")
    return Progress(
        str(known["stage"]),
        int(known["done"]),
        int(known["total"]),
        None if seconds_left is None else float(seconds_left),
        str(known["message"]),
    )


def _error(message: Mapping[str, Any]) -> SweepnetError:
    """The error that the worker raised, by the name of its class."""
    kind = getattr(errors, str(message.get("kind")), FailedPrecondition)
    known = isinstance(kind, type) and issubclass(kind, SweepnetError)
    where, told = str(message.get("where", "training")), str(message.get("message", "it failed"))
    return (kind if known else FailedPrecondition)(where, told)


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
