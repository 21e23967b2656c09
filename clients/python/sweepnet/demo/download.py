"""Outside programs that fetch things, with a time limit and a one-line reason when they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 180.0
Say = Callable[[str], None]
"""Takes a line for the user."""


class Unavailable(Exception):
    """What the demo wanted cannot be had here; the message says why."""


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Raises Unavailable for what the file system refuses inside; `folder` holds the downloads."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"nothing can be kept in {folder} ({error.strerror or error})") from None


def run(
    *command: str, folder: Path, check: bool = True, variables: Mapping[str, str] | None = None
) -> str:
    """What the command printed, run in `folder` with these environment variables besides.

    Raises Unavailable if it fails (unless `check` is off), is missing, or takes over LIMIT_S.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    except FileNotFoundError:
        raise Unavailable(f"this system has no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} took longer than {LIMIT_S:.0f} s") from None
    if check and done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"{command[0]}: {last}")
    return done.stdout
