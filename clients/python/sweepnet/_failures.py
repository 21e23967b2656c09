"""One table from gRPC statuses to the client's errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from sweepnet.errors import (
    Cancelled,
    FailedPrecondition,
    InvalidInput,
    LimitExceeded,
    ModelUnreadable,
    NotAllowed,
    NotFound,
    ServerFault,
    ServerUnavailable,
    SweepnetError,
    TimedOut,
)

TABLE: dict[grpc.StatusCode, type[SweepnetError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInput,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitExceeded,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: FailedPrecondition,
    grpc.StatusCode.DATA_LOSS: ModelUnreadable,
    grpc.StatusCode.UNAUTHENTICATED: NotAllowed,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimedOut,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNAVAILABLE: ServerUnavailable,
}

# gRPC's words for a call above the most that a server takes at once.
FULL = "Concurrent RPC limit exceeded"
# What grpc.aio says, with status INTERNAL, where the connection broke while it was sending, or the
# server had ended the call meanwhile: what it told is lost then (grpc #36066).
LOST_WHILE_SENDING = "Internal error from Core"
CLOSED = ("channel closed", "channel is closed", "closed channel")
# gRPC's words where there was no connection yet.
UNREACHED = (
    *("failed to connect", "dns", "resol", "getaddrinfo", "lookup", "name or service"),
    *("domain name", "no address", "errors resolving"),
)


# What it says where somebody listens and takes nothing that is sent.
CUT_SHORT = "Socket closed"
TOKEN = "; `token=` of the client, SWEEPNET_TOKEN for the command line"


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Errors of gRPC inside become the client's."""
    try:
        yield
    except grpc.RpcError as error:
        raise failure(error, address) from None
    except (ValueError, grpc.aio.UsageError) as error:
        words = str(error).lower()
        if not any(sign in words for sign in CLOSED):
            raise
        raise FailedPrecondition("the client is closed; make a new one") from None


def failure(error: Any, address: str) -> SweepnetError:
    """The client's error for one of gRPC's."""
    code, words = error.code(), error.details() or ""
    kind = TABLE.get(code, ServerFault)
    if words == LOST_WHILE_SENDING:
        kind = ServerUnavailable
    if kind is ServerUnavailable:
        return kind(_unavailable(address, words))
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return kind(f"the server at {address} does not offer this; update it, or the client")
    if kind is LimitExceeded and "larger than max" in words:
        return kind(f"too large for a message to the server (its --max-message-bytes): {words}")
    if code is grpc.StatusCode.UNAUTHENTICATED:
        words += TOKEN
    return kind(words or code.name, *_details(error, full=words.startswith(FULL)))


def _unavailable(address: str, words: str) -> str:
    if "handshake failed" in words.lower():
        return (
            f"the server at {address} is there, but an encrypted line to it cannot be had "
            f"({_reason(words)}); name the authority of its certificate, and your own certificate "
            "where it wants one: Tls(...), or SWEEPNET_TLS_CA, _CERT and _KEY for the command line"
        )
    if "failed to connect" in words and CUT_SHORT in words:
        return (
            f"what listens at {address} ends the connection at once; if it takes encrypted "
            "lines only, give tls (SWEEPNET_TLS_CA for the command line)"
        )
    if any(sign in words.lower() for sign in UNREACHED):
        return f"no server at {address}; start one with `sweepnet serve`, or name another address"
    return f"the server at {address} went away ({words})"


def _reason(words: str) -> str:
    """What BoringSSL says at the end of gRPC's words."""
    return words.rpartition("OPENSSL_internal:")[2].removesuffix(": OK")


def _details(error: Any, full: bool) -> tuple[str, float | None, str]:
    """The server's name for the kind of error, when to try again, and which part of the request
    was wrong, from its google.rpc details; of a call that gRPC itself refused because the server
    is full: soon.
    """
    reason, retry_after_s, field = "", 0.0 if full else None, ""
    information, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    wrong = error_details_pb2.BadRequest()
    for detail in _all_details(error):
        if detail.Unpack(information):
            reason = str(information.reason)
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.Unpack(wrong) and wrong.field_violations:
            field = str(wrong.field_violations[0].field)
    return reason, retry_after_s, field


def _all_details(error: Any) -> Iterable[Any]:
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        return ()
    return () if status is None else status.details
