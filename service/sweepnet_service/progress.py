"""How long work tells where it is: one record, reported by callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of `stage`; `seconds_left` of the whole work, None while unknown."""

    stage: str
    done: int
    total: int
    seconds_left: float | None = None
    message: str = ""


Report = Callable[[Progress], None]
