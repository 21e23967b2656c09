"""A server's own worker: `python -m sweepnet_service.training --models DIR`.

It ends when its standard input does, which is when its server ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from sweepnet_service.training.working import run


async def _input_ended() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main() -> None:
    """Work until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder of models")
    chosen = parser.parse_args()
    run(chosen.models, os.environ.get("SWEEPNET_RECORDS", ""), until=_input_ended())


if __name__ == "__main__":
    main()
