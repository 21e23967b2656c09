"""A server for one client: `python -m sweepnet_service.embedded` prints its address and serves.

It listens at a Unix socket in a folder that only its user may enter (where the system has none: at
a free loopback port), and ends when its standard input does, which is when its parent ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

from sweepnet_service.threads import collect_seldom, limit_threads

LONGEST_SOCKET = 100
"""Bytes that the path of a Unix socket may have, a little below the systems' limit."""


async def _serve(models: Path | None, socket_path: str) -> None:
    from sweepnet_service.server.app import serve
    from sweepnet_service.server.settings import load_settings

    given = {"models": models} if models else {}
    settings = load_settings(
        {**given, "host": "127.0.0.1", "port": 0, "grace_s": 0, "with_worker": False}
    )
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def end_with_parent() -> None:
        os.read(sys.stdin.fileno(), 1)
        # The loop may be closed already, where the server could not start.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=end_with_parent, daemon=True).start()
    await serve(settings, lambda address: print(address, flush=True), stop, socket_path)


def _run(models: Path | None, folder: Path) -> int:
    from sweepnet_service.errors import SweepnetError
    from sweepnet_service.server.logs import configure_logs

    configure_logs("error", "text")
    path = str(folder / "socket")
    usable = hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= LONGEST_SOCKET
    try:
        asyncio.run(_serve(models, path if usable else ""))
    except SweepnetError as error:
        print(f"error: {error}", flush=True)
        return 2
    return 0


def _quieten_libraries() -> None:
    """Only Python may write to standard error: decoders and gRPC print remarks of their own."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def main() -> int:
    """Serve until standard input ends; the exit code."""
    _quieten_libraries()
    limit_threads()
    collect_seldom()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, help="folder with more model files")
    models = parser.parse_args().models
    with tempfile.TemporaryDirectory(prefix="sweepnet-") as folder:
        return _run(models, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
