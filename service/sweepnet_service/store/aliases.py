"""Aliases of a detector's versions: a list of moves, which nobody ever writes over.

    aliases/live/000001.json   {"move": "promote", "version": 1, "time_s": ...}
    aliases/live/000002.json   {"move": "promote", "version": 3, "time_s": ...}
    aliases/live/000003.json   {"move": "roll back", "version": 1, "time_s": ...}

The number of a move is its place: of two processes that write the same one, one succeeds and the
other looks again. A move that was cut short by a crash never was.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sweepnet_service.store.durable import put_new

_FILE = re.compile(r"([0-9]{6,9})\.json")


@dataclass(frozen=True)
class Move:
    """What an alias was told: `promote` a version, or `roll back` to one. Seconds since 1970."""

    move: Literal["promote", "roll back"]
    version: int
    time_s: float


def moves(folder: Path) -> list[Move]:
    """The moves of an alias in order; those that were cut short are left out."""
    found = (_read(path) for _, path in _files(folder))
    return [move for move in found if move is not None]


def standing(moves: Sequence[Move]) -> list[int]:
    """The versions that the alias named, oldest first, without what was rolled back: the last one
    is named now, the one before is what a roll back leads to.
    """
    stack: list[int] = []
    for move in moves:
        if move.move == "promote":
            stack.append(move.version)
        elif move.version in stack:
            while stack[-1] != move.version:
                stack.pop()
    return stack


def move_on(folder: Path, decide: Callable[[list[Move]], Move | None]) -> None:
    """Write the move that `decide` makes of those so far, None meaning that there is none to make.

    Decided anew where another process was quicker; what `decide` raises passes through.
    """
    while True:
        files = _files(folder)
        move = decide(moves(folder))
        if move is None:
            return None
        number = files[-1][0] + 1 if files else 1
        try:
            return put_new(folder / f"{number:06}.json", json.dumps(asdict(move)).encode())
        except FileExistsError:
            continue


def promotion(version: int) -> Move:
    """The move to a version, now."""
    return Move("promote", version, time.time())


def roll_back(version: int) -> Move:
    """The move back to a version, now."""
    return Move("roll back", version, time.time())


def _files(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    named = ((_FILE.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(name[1]), path) for name, path in named if name)


def _read(path: Path) -> Move | None:
    try:
        told = json.loads(path.read_bytes())
        move = Move(str(told["move"]), int(told["version"]), float(told["time_s"]))  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return move if move.move in ("promote", "roll back") else None
