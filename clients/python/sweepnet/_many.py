"""Limits of scoring many."""

from __future__ import annotations

import os
from typing import Any

from sweepnet._arrays import is_array
from sweepnet.errors import InvalidInput

MOST_AT_ONCE = 256
PICTURES_AXES = 4
"""Axes of an array that holds pictures one after another: its first one counts them."""


def checked(concurrency: int, sources: Any, kind: str | None = None) -> int:
    """The number itself; raises InvalidInput if it is no number of things to do at once,
    the sources are a single one, or of no kind there is."""
    if isinstance(sources, str | bytes | os.PathLike):
        raise InvalidInput(f"got one source, {str(sources)[:80]!r}; expected a list of sources")
    if is_array(sources) and len(sources.shape) < PICTURES_AXES:
        raise InvalidInput(
            f"got one array, of shape {tuple(sources.shape)}; expected a list of sources"
        )
    if kind not in (None, "audio", "picture"):
        raise InvalidInput(f"kind: got {kind!r}; expected 'audio' or 'picture'")
    if type(concurrency) is not int or not 1 <= concurrency <= MOST_AT_ONCE:
        raise InvalidInput(f"got concurrency {concurrency!r}; expected 1..{MOST_AT_ONCE}")
    return concurrency
