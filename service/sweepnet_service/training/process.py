"""The training process watched by its worker: JSON lines become progress, findings, an end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from sweepnet_service import errors
from sweepnet_service.errors import FailedPrecondition, SweepnetError
from sweepnet_service.progress import Progress
from sweepnet_service.training.order import Order, Problem

SILENCE_S = 60.0
"""The process sends a line every few seconds; silent for so long, it is taken for dead."""
FAREWELL_S = 5.0
KILLED_BY = (signal.SIGKILL, signal.SIGTERM)
MOST = 1 << 53
LONGEST_LINE = 1 << 24
TOO_LONG = b"\n"
"""Stands for a line beyond LONGEST_LINE; like every line that means nothing, it is passed over."""


class Died(Exception):
    """The process ended, or fell silent, without telling why; `killed`: somebody ended it."""

    def __init__(self, message: str, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed


@dataclass(frozen=True)
class Found:
    """What is wrong with the data set."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Budget:
    """Steps that the budget was turned into."""

    steps: int


@dataclass(frozen=True)
class Done:
    """What the job brought: the model file ("" of a comparison), the digest of the data and how
    many answers are in it, what was compared, a remark for people.
    """

    path: str
    data_sha256: str = ""
    comparison: Mapping[str, Any] | None = None
    remark: str = ""
    capture_count: int = 0


Told = Progress | Found | Budget | Done


async def run_child(
    order: Order, place: Path, models: Path, log: IO[bytes], held: int
) -> AsyncGenerator[Told, None]:
    """What the process tells, `Done` last; raises the error that it tells of, or Died.

    Leaving the iteration in any way ends the process. It keeps the file `held` open, whose lock so
    lasts as long as it does.
    """
    process = await _started(order, place, models, log, held)
    try:
        while line := await _line(process):
            told = _told(line)
            if told is not None:
                yield told
            if isinstance(told, Done):
                return
        code = await process.wait()
        raise Died(f"the training process died (exit code {code})", killed=-code in KILLED_BY)
    finally:
        await _end(process)


async def _started(
    order: Order, place: Path, models: Path, log: IO[bytes], held: int
) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "sweepnet_service.training.child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        limit=LONGEST_LINE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        pass_fds=(held,),
    )
    assert process.stdin is not None
    told = {"order": order.to_json(), "place": str(place), "models": str(models)}
    # A process that died at once is told of by its exit code.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(json.dumps(told).encode() + b"\n")
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
        raise Died(f"the training process was silent for {SILENCE_S:g} s") from None


def _told(line: bytes) -> Told | None:
    """What a line says; None for one that says nothing. Raises the error it tells of."""
    try:
        message = json.loads(line)
        event = message["event"]
        if event == "progress":
            return _progress(message)
        if event == "problems":
            return Found(tuple(_problem(each) for each in message["problems"]))
        if event == "budget":
            return Budget(int(message["steps"]))
        if event == "done":
            del message["event"]
            return Done(**message)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if event == "error":
        raise _error(message)
    return None


def _problem(told: Mapping[str, Any]) -> Problem:
    return Problem(str(told["file"]), str(told["reason"]), bool(told["refused"]))


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
    """The error that the process raised, by the name of its class."""
    return error_of(
        str(message.get("kind")),
        str(message.get("where", "training")),
        str(message.get("message", "it failed")),
    )


def error_of(kind: str, where: str, message: str) -> SweepnetError:
    """An error of the service by the name of its class."""
    found = getattr(errors, kind, FailedPrecondition)
    known = isinstance(found, type) and issubclass(found, SweepnetError)
    return (found if known else FailedPrecondition)(where, message)


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
