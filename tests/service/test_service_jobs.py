"""Jobs and their worker processes: whatever a worker does, a training ends."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from sweepnet_service.errors import FailedPrecondition, LimitExceeded
from sweepnet_service.progress import Progress
from sweepnet_service.store import Library
from sweepnet_service.training import jobs as jobs_module
from sweepnet_service.training import process
from sweepnet_service.training.jobs import Job, Jobs, Order


def test_lines_that_mean_nothing_are_passed_over() -> None:
    """A library's remark, half a line, a field too many: none of them ends a training."""
    whole = {"event": "progress", "stage": "a", "done": 1, "total": 2}
    whole |= {"seconds_left": 0.5, "message": "m"}
    for line in (
        b"Fontconfig warning\n",
        b"\xff\xfe\n",
        process.TOO_LONG,
        b"[]\n",
        b"7\n",
        b'{"event": "done"}\n',
        b'{"event": "progress"}\n',
        json.dumps({**whole, "done": "many"}).encode(),
        b'{"event": "alive"}\n',
    ):
        assert process._told(line) is None
    assert process._told(json.dumps({**whole, "more": 1}).encode()) == Progress("a", 1, 2, 0.5, "m")
    unknown = json.dumps({**whole, "seconds_left": None}).encode()
    assert process._told(unknown) == Progress("a", 1, 2, None, "m")
    with pytest.raises(FailedPrecondition, match="training: it failed"):
        process._told(b'{"event": "error"}\n')


def test_what_a_library_prints_is_no_line_of_the_worker() -> None:
    """Not even where it writes to the file descriptor itself, or starts a program that does."""
    script = (
        "import os, subprocess, sys;"
        "from sweepnet_service.training.worker import own_stdout, Voice;"
        "voice = Voice(own_stdout()); print('a'); os.write(1, b'b\\n');"
        "subprocess.run([sys.executable, '-c', 'print(7)']); voice.say('done', path='/x')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == '{"event": "done", "path": "/x"}\n'
    assert sorted(done.stderr.split()) == ["7", "a", "b"]


def test_a_line_without_an_end_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than any that a worker writes."""
    script = "import sys; sys.stdout.write('x' * 3_000_000 + '\\n{\"event\": \"alive\"}\\n')"

    async def run() -> list[bytes]:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, limit=1 << 20
        )
        lines = []
        while line := await process._line(started):
            lines.append(line)
        await started.wait()
        return lines

    lines = asyncio.run(run())
    assert lines[-1] == b'{"event": "alive"}\n'
    assert process.TOO_LONG in lines


Worker = Callable[..., AsyncGenerator[Progress | Path, None]]


@pytest.fixture
def quick_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Worker], Jobs]:
    """Jobs whose worker is a generator in this process."""

    def made(worker: Worker) -> Jobs:
        monkeypatch.setattr(jobs_module, "run_worker", worker)
        monkeypatch.setattr(jobs_module, "_check_settings", lambda *_: None)
        described = iter(("first", "second"))
        return Jobs(Library(tmp_path), (tmp_path,), lambda name: f"{name}: {next(described)}")

    return made


def test_any_fault_ends_a_training(quick_jobs: Callable[[Worker], Jobs], tmp_path: Path) -> None:
    """None is running for ever; the worker is closed before the job ends."""
    closed = []

    async def worker(*_: Any) -> AsyncGenerator[Progress | Path, None]:
        try:
            yield Progress("a", 1, 2)
            raise ZeroDivisionError("inside")
        finally:
            closed.append(True)

    async def run() -> Job:
        jobs = quick_jobs(worker)
        job = await jobs.start(Order("image", "detectors/a", tmp_path))
        return await jobs.wait(job.id, 5)

    ended = asyncio.run(run())
    assert ended.state == "failed"
    assert "the server failed (ZeroDivisionError)" in str(ended.error)
    assert closed == [True]


def test_a_result_stays_what_it_was(
    quick_jobs: Callable[[Worker], Jobs], tmp_path: Path, tiny_models: Path
) -> None:
    """Another training of the same name, or the loss of the file, changes nothing of it."""

    async def worker(*order: Any) -> AsyncGenerator[Progress | Path, None]:
        made = order[3] / "made.safetensors"
        shutil.copy(tiny_models / "tiny.safetensors", made)
        yield made

    async def run() -> list[Any]:
        jobs = quick_jobs(worker)
        ids = []
        for _ in range(2):
            job = await jobs.start(Order("image", "detectors/a", tmp_path))
            await jobs.wait(job.id, 5)
            ids.append(job.id)
            (tmp_path / "a.safetensors").unlink()
        return [jobs.get(identity).result for identity in ids]

    assert asyncio.run(run()) == ["detectors/a: first", "detectors/a: second"]


def test_no_more_trainings_wait_than_stated(
    quick_jobs: Callable[[Worker], Jobs], tmp_path: Path
) -> None:
    """However many orders come at the same moment."""

    async def worker(*_: Any) -> AsyncGenerator[Progress | Path, None]:
        await asyncio.sleep(60)
        yield tmp_path

    async def run() -> int:
        jobs = quick_jobs(worker)
        orders = (jobs.start(Order("image", "detectors/a", tmp_path)) for _ in range(40))
        answers = await asyncio.gather(*orders, return_exceptions=True)
        await jobs.close()
        assert {type(answer) for answer in answers} == {Job, LimitExceeded}
        return sum(isinstance(answer, Job) for answer in answers)

    assert asyncio.run(run()) == jobs_module.MOST_OPEN
