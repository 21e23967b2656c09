"""Lines between a worker and its training process; what is none is passed over."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from sweepnet_service.errors import FailedPrecondition
from sweepnet_service.progress import Progress
from sweepnet_service.training import process
from sweepnet_service.training.order import Problem
from sweepnet_service.training.process import Budget, Done, Found


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
        b'{"event": "done", "path": "p", "wings": 2}\n',
        b'{"event": "problems", "problems": [7]}\n',
        b'{"event": "budget", "steps": "many"}\n',
        b'{"event": "progress"}\n',
        json.dumps({**whole, "done": "many"}).encode(),
        b'{"event": "alive"}\n',
    ):
        assert process._told(line) is None
    assert process._told(json.dumps({**whole, "more": 1}).encode()) == Progress("a", 1, 2, 0.5, "m")
    unknown = json.dumps({**whole, "seconds_left": None}).encode()
    assert process._told(unknown) == Progress("a", 1, 2, None, "m")
    problem = {"file": "a.wav", "reason": "too short", "refused": False}
    found = json.dumps({"event": "problems", "problems": [problem]}).encode()
    assert process._told(found) == Found((Problem("a.wav", "too short"),))
    assert process._told(b'{"event": "budget", "steps": 7}') == Budget(7)
    assert process._told(b'{"event": "done", "path": "p"}') == Done("p")
    with pytest.raises(FailedPrecondition, match="training: it failed"):
        process._told(b'{"event": "error"}\n')


def test_what_a_library_prints_is_no_line_of_the_process() -> None:
    """Not even where it writes to the file descriptor itself, or starts a program that does."""
    script = (
        "import os, subprocess, sys;"
        "from sweepnet_service.training.child import own_stdout, Voice;"
        "voice = Voice(own_stdout()); print('a'); os.write(1, b'b\\n');"
        "subprocess.run([sys.executable, '-c', 'print(7)']); voice.say('done', path='/x')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == '{"event": "done", "path": "/x"}\n'
    assert sorted(done.stderr.split()) == ["7", "a", "b"]


def test_a_line_without_an_end_is_passed_over() -> None:
    """Longer than any that the process writes."""
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
