"""What can go wrong in the service, as one tree.

    SweepnetError
    ├── InvalidInput         the caller sent something unusable        INVALID_ARGUMENT
    ├── NotFound             no such model, operation or file          NOT_FOUND
    ├── LimitExceeded        too large, too long, too many             RESOURCE_EXHAUSTED
    │   └── Overloaded       the server is full; later it may not be   RESOURCE_EXHAUSTED
    ├── Unauthenticated      no token, or none that is known           UNAUTHENTICATED
    ├── Unavailable          the server is about to end                UNAVAILABLE
    ├── FailedPrecondition   right request, wrong moment or set-up     FAILED_PRECONDITION
    └── ModelUnreadable      a model file is damaged or too new        DATA_LOSS

Each message says where, what came, what was expected and what to do.
"""

from __future__ import annotations

LONGEST_SHOWN = 80


class SweepnetError(Exception):
    """The root: `where` names the field, file or setting concerned."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where
        self.message = message


def shown(value: object) -> str:
    """What somebody sent, as it is repeated in a message: short."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


class InvalidInput(SweepnetError):
    """What was sent cannot be used; sending it again will not help."""


class NotFound(SweepnetError):
    """Nothing has this name."""


class LimitExceeded(SweepnetError):
    """The input is larger than the stated limit, or the server is full."""


class Overloaded(LimitExceeded):
    """The server has no room now; the same request may be served a little later."""


class Unauthenticated(SweepnetError):
    """The caller did not say who it is, or nobody knows it."""


class Unavailable(SweepnetError):
    """The server ends; another one, or the same one later, may serve the request."""


class FailedPrecondition(SweepnetError):
    """The request is well formed but cannot be served in the present state."""


class ModelUnreadable(SweepnetError):
    """A model file is damaged, incomplete, or written by a newer version."""
