"""Channels to a server: address and options."""

from __future__ import annotations

from sweepnet.errors import InvalidInput

DEFAULT_ADDRESS = "127.0.0.1:50051"
LARGEST_REPLY = 64 * 1024 * 1024
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", LARGEST_REPLY),
    # The server's own limit decides what it takes.
    ("grpc.max_send_message_length", -1),
    # A stream learns within these times that the server's machine is gone.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A proxy of the environment would be asked for loopback addresses too.
    ("grpc.enable_http_proxy", 0),
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
    if not port.isdecimal() or not 0 < int(port) < 65536 or not host:
        raise InvalidInput(
            f"got address {address!r}; expected host:port, such as {DEFAULT_ADDRESS}"
        )
    return address
