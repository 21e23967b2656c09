"""Channels to a server: address, options, encryption and a token."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import grpc

from sweepnet._calls import UNCHANGING
from sweepnet.errors import InvalidInput

C = TypeVar("C")

DEFAULT_ADDRESS = "127.0.0.1:50051"
LARGEST_REPLY = 64 * 1024 * 1024
RETRIES = json.dumps(
    {
        "methodConfig": [
            {
                "name": [
                    dict(zip(("service", "method"), call.path[1:].split("/"), strict=True))
                    for call in UNCHANGING
                ],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)
"""As gRPC's service config: what changes nothing is tried three times where the server is away."""
OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", LARGEST_REPLY),
    # The server's own limit decides what it takes.
    ("grpc.max_send_message_length", -1),
    # A stream learns within these times that the server's machine is gone.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # gRPC would come back to wait two minutes between attempts at a server that is away.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A proxy of the environment would be asked for loopback addresses too.
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config", RETRIES),
    # Pictures are kept until they are answered, or they could not be sent again.
    ("grpc.per_rpc_retry_buffer_size", LARGEST_REPLY),
)


def target(address: str) -> str:
    """The address as gRPC takes it: `host`, `host:port`, `[::1]:port` or `unix:path`."""
    if (
        not isinstance(address, str)
        or not address
        or any(c.isspace() for c in address)
        or "://" in address
    ):
        raise InvalidInput(
            f"got address {address!r}; expected host:port, such as {DEFAULT_ADDRESS}"
        )
    if address.startswith("unix:"):
        return address
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        return f"{address}:{DEFAULT_ADDRESS.rpartition(':')[2]}"
    bare = ":" in host and not host.startswith("[")
    if not port.isdecimal() or not 0 < int(port) < 65536 or not host or bare:
        raise InvalidInput(
            f"got address {address!r}; expected host:port, such as {DEFAULT_ADDRESS}"
        )
    return address


@dataclass(frozen=True)
class Tls:
    """How a connection is encrypted: PEM files.

    `authorities` are those whose servers are trusted, by default the system's; `certificate` and
    `key` are this client's own, where the server asks for one.
    """

    authorities: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """As gRPC takes them; raises InvalidInput for a file that cannot be used."""
        if (self.certificate is None) != (self.key is None):
            raise InvalidInput("tls: got one of certificate and key; expected both or none")
        parts = (_pem(self.authorities), _pem(self.key), _pem(self.certificate))
        return grpc.ssl_channel_credentials(*parts)


def _pem(path: str | os.PathLike[str] | None) -> bytes | None:
    if path is None:
        return None
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(f"tls: {os.fspath(path)} cannot be read: {error.strerror}") from None
    if b"-----BEGIN " not in data:
        raise InvalidInput(f"tls: {os.fspath(path)} is no PEM file")
    return data


def opened(
    address: str,
    tls: Tls | None,
    insecure: Callable[..., C],
    secure: Callable[..., C],
) -> C:
    """A channel by one of gRPC's two functions."""
    place = target(address)
    if tls is None:
        return insecure(place, options=OPTIONS)
    return secure(place, tls.credentials(), options=OPTIONS)


def metadata(address: str, tls: Tls | None, token: str | None) -> tuple[tuple[str, str], ...]:
    """What every call carries; a token goes to another machine over an encrypted line only."""
    if token is None:
        return ()
    if not token.isascii() or not token.isprintable() or not token.strip():
        raise InvalidInput("token: expected printable ASCII characters")
    if tls is None and not _stays_here(target(address)):
        raise InvalidInput(
            f"token: {address} is another machine and the line is not encrypted; give tls too"
        )
    return (("authorization", f"Bearer {token.strip()}"),)


def _stays_here(place: str) -> bool:
    """Whether what is sent there does not leave the machine."""
    host = place.rpartition(":")[0].strip("[]")
    if place.startswith("unix:") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
