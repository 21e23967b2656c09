"""The worker beside a server: begun when there is work, begun again when it dies, ended with it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sweepnet_service.server import attendant as module
from sweepnet_service.server.attendant import Attendant


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that were begun."""
    real, found = asyncio.create_subprocess_exec, list[int]()

    async def begin(*command: str, **options: object) -> asyncio.subprocess.Process:
        process = await real(*command, **options)  # type: ignore[arg-type]
        found.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begin)
    return found


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await body()

    asyncio.run(whole())


@pytest.mark.usefixtures("quick")
def test_a_worker_that_dies_is_begun_again(tmp_path: Path, begun: list[int]) -> None:
    """However often it is woken there is one; when it is closed there is none."""

    async def body() -> None:
        attendant = Attendant(tmp_path)
        for _ in range(3):
            attendant.wake()
        await until(lambda: len(begun) == 1)
        os.kill(begun[0], signal.SIGKILL)
        await until(lambda: len(begun) == 2)
        await attendant.close()
        await until(lambda: not alive(begun[-1]))

    run(body)
    assert len(begun) == 2


@pytest.mark.usefixtures("quick")
def test_a_worker_that_cannot_be_begun_is_tried_again(
    tmp_path: Path, begun: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is full for a moment does not leave a server without a worker for ever."""
    real, full = asyncio.create_subprocess_exec, [True, True]

    async def begin(*command: str, **options: object) -> asyncio.subprocess.Process:
        if full:
            full.pop()
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return await real(*command, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begin)

    async def body() -> None:
        attendant = Attendant(tmp_path)
        attendant.wake()
        await until(lambda: len(begun) == 1)
        await attendant.close()

    run(body)


def test_without_work_or_a_folder_there_is_none(tmp_path: Path, begun: list[int]) -> None:
    async def body() -> None:
        idle, nowhere = Attendant(tmp_path), Attendant(None)
        await idle.wake_for(lambda: False)
        nowhere.wake()
        await nowhere.wake_for(lambda: True)
        await asyncio.sleep(0.05)
        await idle.close()
        await nowhere.close()

    run(body)
    assert begun == []


@pytest.mark.usefixtures("quick")
def test_work_of_an_earlier_server_goes_on(tmp_path: Path, begun: list[int]) -> None:
    async def body() -> None:
        attendant = Attendant(tmp_path)
        await attendant.wake_for(lambda: True)
        await until(lambda: len(begun) == 1)
        await attendant.close()

    run(body)
    assert not alive(begun[0])
