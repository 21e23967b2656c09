"""Limits of scoring many."""

from __future__ import annotations

from sweepnet.errors import InvalidInput

MOST_AT_ONCE = 256


def checked(concurrency: int) -> int:
    """The number itself; raises InvalidInput if it is no number of things to do at once."""
    if not 1 <= concurrency <= MOST_AT_ONCE:
        raise InvalidInput(f"got concurrency {concurrency}; expected 1..{MOST_AT_ONCE}")
    return concurrency
