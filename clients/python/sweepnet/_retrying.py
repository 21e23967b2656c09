"""When a call may be made again, and after how long.

Only calls that change nothing are repeated, and only where the server was away or full: then it
did not score them, or nobody has its answer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from sweepnet.errors import LimitExceeded, ServerUnavailable, SweepnetError

T = TypeVar("T")
FIRST_S, LONGEST_S = 0.1, 5.0


def passing(error: SweepnetError) -> bool:
    """Whether the same call may succeed later: the server is away, or full just now."""
    if isinstance(error, LimitExceeded):
        return error.retry_after_s is not None
    return isinstance(error, ServerUnavailable)


def pauses(draw: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
    """Seconds between one attempt and the next: up to twice as long each time, drawn at random
    so that clients of one server do not come back all at once.
    """
    longest_s = FIRST_S
    while True:
        yield draw(longest_s / 2, longest_s)
        longest_s = min(2 * longest_s, LONGEST_S)


def repeated(
    work: Callable[[], T], patience_s: float, wait: Callable[[float], object] = time.sleep
) -> T:
    """What `work` returns, tried again for `patience_s` from its first passing failure on."""
    give_up_s: float | None = None
    for pause_s in pauses():
        try:
            return work()
        except SweepnetError as error:
            now_s = time.monotonic()
            give_up_s = now_s + patience_s if give_up_s is None else give_up_s
            pause_s = max(pause_s, getattr(error, "retry_after_s", None) or 0.0)
            if not passing(error) or now_s + pause_s > give_up_s:
                raise
        wait(pause_s)
    raise AssertionError("pauses never end")
