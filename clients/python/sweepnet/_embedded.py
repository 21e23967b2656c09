"""A server of one's own: a child process that dies with its parent."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from threading import Thread
from typing import IO

from sweepnet.errors import InvalidInput, NoServerPackage, ServerUnavailable

START_S = 60.0
END_S = 5.0
NEEDED = (
    "sweepnet_service", "cnn_core", "numpy", "scipy", "safetensors", "soundfile", "soxr", "PIL",
    "pydantic_settings", "structlog", "grpc_health", "grpc_reflection",
)  # fmt: skip


@contextmanager
def embedded_server(models: str | os.PathLike[str] | None = None) -> Iterator[str]:
    """The address of a server that runs as long as the `with` statement, with the shipped models
    and those of the folder `models`.

    Raises NoServerPackage where `sweepnet[server]` is not installed.
    """
    check_installed()
    command = [sys.executable, "-P", "-m", "sweepnet_service.embedded"]
    command += [] if models is None else ["--models", os.fspath(models)]
    # A session of its own keeps Ctrl-C from it: it ends when its standard input does.
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield _address(process)
    finally:
        _end(process)


def check_installed() -> None:
    """Raises NoServerPackage naming what is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise NoServerPackage(
            f"no server here to start (missing: {', '.join(missing)}); install it with "
            "pip install 'sweepnet[server]', or name a running one with --server HOST:PORT"
        )


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines: Queue[str] = Queue()
    Thread(target=_read_line, args=(process.stdout, lines), daemon=True).start()
    try:
        line = lines.get(timeout=START_S)
    except Empty:
        raise ServerUnavailable(f"the embedded server did not start in {START_S:g} s") from None
    if line.startswith("error: "):
        raise InvalidInput(line.removeprefix("error: "))
    if not line:
        raise ServerUnavailable("the embedded server did not start; its own words are above")
    return line


def _read_line(stream: IO[str], lines: Queue[str]) -> None:
    lines.put(stream.readline().strip())


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
