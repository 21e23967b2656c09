"""What can go wrong in the client, as one tree.

    SweepnetError
    ├── InvalidInput          what was sent cannot be used
    ├── NotFound              no such file, model or training
    ├── LimitExceeded         too large, too long, or the server is full
    ├── FailedPrecondition    right request, wrong moment or set-up
    ├── ModelUnreadable       a model file on the server is damaged or too new
    ├── NotAllowed            the token is missing, unknown, or not good for this
    ├── TimedOut              no answer in time, or a stream was idle for too long
    ├── Cancelled             the call was cancelled
    ├── ServerUnavailable     no server at the address, or it went away
    ├── ServerFault           the server failed
    └── MissingPackage        an extra, such as `sweepnet[tables]`, is needed and not installed
        └── NoServerPackage   that of the server, `sweepnet[server]`

Messages of the server's errors are the server's own words.
"""

from __future__ import annotations


class SweepnetError(Exception):
    """The root; `reason` is the server's name for the kind of error, "" where there is none.

    `retry_after_s` is when the same call may succeed, where the server says so; else None. `field`
    is the part of the request that was wrong, such as "audio_format.sample_rate_hz"; else "".
    """

    def __init__(
        self,
        message: str,
        reason: str = "",
        retry_after_s: float | None = None,
        field: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.field = field


class InvalidInput(SweepnetError):
    """What was sent cannot be used; sending it again will not help."""


class NotFound(SweepnetError):
    """Nothing has this name."""


class LimitExceeded(SweepnetError):
    """The input is larger than a stated limit, or the server is full."""


class FailedPrecondition(SweepnetError):
    """The request is well formed but cannot be served in the present state."""


class ModelUnreadable(SweepnetError):
    """A model file on the server is damaged, incomplete, or too new for it."""


class NotAllowed(SweepnetError):
    """The server wants a token, another one, or a certificate."""


class TimedOut(SweepnetError):
    """There was no answer in time, or the server ended a stream that was silent for too long."""


class Cancelled(SweepnetError):
    """The call was cancelled."""


class ServerUnavailable(SweepnetError):
    """Nobody answers at the address."""


class ServerFault(SweepnetError):
    """The server failed; its log tells more."""


class MissingPackage(SweepnetError):
    """What was asked for needs a package that is not installed here."""


class NoServerPackage(MissingPackage):
    """The server's package is not installed here."""
