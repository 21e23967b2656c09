"""Bearer tokens: who may call, how often and how much at once. No token is ever logged or told.

[laptop]                 # a name for this file alone
token = "..."            # what comes as `authorization: Bearer ...`, at least 16 characters
max_calls = 8            # at once; left out: no limit of its own
calls_per_minute = 600   # begun; left out: no limit
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from sweepnet_service.errors import InvalidInput, Overloaded, Unauthenticated, shown

SHORTEST_TOKEN = 16
SETTINGS = ("token", "max_calls", "calls_per_minute")


@dataclass
class Bearer:
    """One token's limits, 0 for none, and what it has used of them."""

    max_calls: int = 0
    calls_per_minute: int = 0
    running: int = 0
    begun: list[float] = field(default_factory=list)

    def begin(self, now_s: float) -> None:
        """Counts one more call; raises Overloaded beyond a limit."""
        if self.max_calls and self.running >= self.max_calls:
            raise Overloaded(
                "token", f"{self.max_calls} of its calls run already; end one, or try later"
            )
        self.begun = [then for then in self.begun if then > now_s - 60]
        if self.calls_per_minute:
            if len(self.begun) >= self.calls_per_minute:
                raise Overloaded(
                    "token",
                    f"{self.calls_per_minute} of its calls have begun within a minute; try later",
                )
            self.begun.append(now_s)
        self.running += 1

    def end(self) -> None:
        """One of its calls has ended."""
        self.running -= 1


class Tokens:
    """The tokens that are let in; looked up by their hashes, so that times tell nothing of them."""

    def __init__(
        self, bearers: Mapping[str, Bearer], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bearers = {_hash(token): bearer for token, bearer in bearers.items()}
        self._clock = clock

    @contextmanager
    def place(self, metadata: Iterable[tuple[str, str | bytes]]) -> Iterator[None]:
        """Room for one call of this metadata; raises Unauthenticated or Overloaded."""
        bearer = self._bearers.get(_hash(_bearer(metadata)))
        if bearer is None:
            raise Unauthenticated("authorization", "this server does not know the token")
        bearer.begin(self._clock())
        try:
            yield
        finally:
            bearer.end()


def read_tokens(path: Path) -> Tokens:
    """The tokens of a file; raises InvalidInput, which quotes none of them."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput("tokens", f"{path}: {error.strerror} (--tokens)") from None
    except ValueError:  # a message of tomllib's may quote the line
        raise InvalidInput("tokens", f"{path}: not a TOML file (--tokens)") from None
    if not tables:
        raise InvalidInput("tokens", f"{path}: holds no token; nobody could call (--tokens)")
    bearers: dict[str, Bearer] = {}
    for name, table in tables.items():
        token, bearer = _read(name, table)
        if token in bearers:
            raise InvalidInput(f"tokens.{name}.token", "is that of another name; make it another")
        bearers[token] = bearer
    return Tokens(bearers)


def _read(name: str, table: Any) -> tuple[str, Bearer]:
    if not isinstance(table, dict) or "token" not in table:
        raise InvalidInput(f"tokens.{name}", "expected a table with a `token`")
    for key in table:
        if key not in SETTINGS:
            there = ", ".join(SETTINGS)
            raise InvalidInput(f"tokens.{name}", f"no setting {shown(key)}; known: {there}")
    for key in SETTINGS[1:]:
        if type(table.get(key, 1)) is not int or table.get(key, 1) < 1:
            raise InvalidInput(f"tokens.{name}.{key}", "expected a whole number of at least 1")
    token = table["token"]
    if (
        not isinstance(token, str)
        or len(token) < SHORTEST_TOKEN
        or not token.isascii()
        or not token.isprintable()
    ):
        raise InvalidInput(
            f"tokens.{name}.token",
            f"expected at least {SHORTEST_TOKEN} printable ASCII characters; "
            "`openssl rand -hex 32` makes some",
        )
    return token, Bearer(table.get("max_calls", 0), table.get("calls_per_minute", 0))


def _bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    for key, value in metadata:
        if key.lower() == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer" and token:
                return token.strip()
    raise Unauthenticated(
        "authorization", "no token came; send the metadata `authorization: Bearer ...`"
    )


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
