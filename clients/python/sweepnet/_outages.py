"""How long a lost server is waited for, without any clock of its own."""

from __future__ import annotations

from collections.abc import Iterator

from sweepnet import _retrying
from sweepnet._checks import patience
from sweepnet.errors import Cancelled, SweepnetError

TOO_LONG = "STREAM_TOO_LONG"
"""The server's name for a stream that was open for as long as one may be; the next one may too."""


class Outage:
    """The time since a connection was lost; forgotten once another one brings news."""

    def __init__(self, patience_s: float) -> None:
        patience(patience_s)
        self._patience_s = patience_s
        self._give_up_s: float | None = None
        self._pauses: Iterator[float] = iter(())

    def pause_s(self, error: SweepnetError, now_s: float) -> float:
        """Seconds to wait before the next attempt; raises the error where none would help, or
        patience is at its end.
        """
        ended = isinstance(error, Cancelled) or error.reason == TOO_LONG
        if not (ended or _retrying.passing(error)):
            raise error
        if self._give_up_s is None:
            self._give_up_s, self._pauses = now_s + self._patience_s, _retrying.pauses()
        pause_s = max(next(self._pauses), error.retry_after_s or 0.0)
        if now_s + pause_s > self._give_up_s:
            raise error
        return pause_s

    def over(self) -> None:
        """The server is there again."""
        self._give_up_s = None
