"""One table from errors to gRPC statuses with google.rpc details, and the guard applying it."""

from __future__ import annotations

import asyncio
import re
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any, cast

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from cnn_core.errors import ModelFileError
from sweepnet_service import metrics
from sweepnet_service.errors import (
    FailedPrecondition,
    InvalidInput,
    LimitExceeded,
    ModelUnreadable,
    NotFound,
    Overloaded,
    Unauthenticated,
    Unavailable,
)
from sweepnet_service.server.patience import StreamTooLong
from sweepnet_service.server.tokens import Tokens

Context = grpc.aio.ServicerContext[Any, Any]
DOMAIN = "sweepnet"
RETRY_S = 1.0
LONGEST_MESSAGE, LONGEST_WHERE = 500, 80
_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/:'\"]+/)+")
TABLE: tuple[tuple[type[Exception], int, str], ...] = (
    (InvalidInput, code_pb2.INVALID_ARGUMENT, "INVALID_INPUT"),
    (NotFound, code_pb2.NOT_FOUND, "NOT_FOUND"),
    (Overloaded, code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED"),
    (LimitExceeded, code_pb2.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"),
    (Unauthenticated, code_pb2.UNAUTHENTICATED, "UNAUTHENTICATED"),
    (Unavailable, code_pb2.UNAVAILABLE, "DRAINING"),
    (FailedPrecondition, code_pb2.FAILED_PRECONDITION, "FAILED_PRECONDITION"),
    (ModelUnreadable, code_pb2.DATA_LOSS, "MODEL_UNREADABLE"),
    (ModelFileError, code_pb2.DATA_LOSS, "MODEL_UNREADABLE"),
    (StreamTooLong, code_pb2.DEADLINE_EXCEEDED, "STREAM_TOO_LONG"),
    (TimeoutError, code_pb2.DEADLINE_EXCEEDED, "IDLE"),
    # Bytes that are no message.
    (DecodeError, code_pb2.INVALID_ARGUMENT, "INVALID_INPUT"),
)
log = structlog.get_logger("sweepnet")


def status_of(error: Exception) -> status_pb2.Status:
    """The google.rpc.Status that tells a client of this error."""
    for kind, code, reason in TABLE:
        if isinstance(error, kind):
            status = _status(code, str(error), reason, getattr(error, "where", ""))
            if isinstance(error, Overloaded | Unavailable):
                status.details.append(_packed(_retry(RETRY_S)))
            return status
    message = "the server failed; its log tells more"
    return _status(code_pb2.INTERNAL, message, "INTERNAL", "")


def _status(code: int, message: str, reason: str, where: str) -> status_pb2.Status:
    message, where = told(message, LONGEST_MESSAGE), told(where, LONGEST_WHERE)
    information = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)
    status = status_pb2.Status(code=code, message=message)
    if where:
        information.metadata["where"] = where
    status.details.append(_packed(information))
    if code == code_pb2.INVALID_ARGUMENT and where:
        violation = error_details_pb2.BadRequest.FieldViolation(field=where, description=message)
        status.details.append(_packed(error_details_pb2.BadRequest(field_violations=[violation])))
    return status


def _retry(after_s: float) -> error_details_pb2.RetryInfo:
    """When the same call may be served."""
    wait = error_details_pb2.RetryInfo()
    wait.retry_delay.FromNanoseconds(round(after_s * 1e9))
    return wait


def told(text: str, longest: int) -> str:
    """The text as a client may hear it: without folders of the server, at most `longest` bytes.

    Errors travel in a call's metadata, which holds 8 kB in all; beyond that gRPC sends none of it.
    """
    bare = _FOLDERS.sub("", text[: 4 * longest])
    data = bare.encode(errors="replace")
    if len(data) <= longest:
        return bare
    return data[: longest - 3].decode(errors="ignore") + "..."


def _packed(message: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


class Guard:
    """Stands before every handler: `most` calls are let in at once, and where there are tokens
    only those that bring one.

    Health and reflection have none, so that a full server is not taken for a dead one.
    """

    def __init__(self, most: int, tokens: Tokens | None = None) -> None:
        self._most, self._tokens = most, tokens
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ending = False
        self.ready = True
        """Whether the server is not about to end."""

    def reported(self, context: Context, method: str) -> AbstractAsyncContextManager[None, None]:
        """Run a handler's body: its errors become statuses, and one line is logged at its end."""
        # The second None tells type checkers that no error is swallowed.
        return cast("AbstractAsyncContextManager[None, None]", self._reported(context, method))

    async def end(self, grace_s: float) -> None:
        """Returns when all calls have ended; those that have not by then are ended."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        self.end_now()

    def end_now(self) -> None:
        """Ends the calls that still run; they hear UNAVAILABLE."""
        self._ending = True
        for task in self._tasks:
            task.cancel()

    @asynccontextmanager
    async def _reported(self, context: Context, method: str) -> AsyncIterator[None]:
        start, code = time.monotonic(), "CANCELLED"
        try:
            with self._place(context, method):
                yield
            code = "OK"
        except asyncio.CancelledError:
            # Passed on unless it is ours: swallowing it makes grpc.aio keep memory for ever.
            if not self._ending:
                raise
            code = "UNAVAILABLE"
            await abort(context, status_of(Unavailable("server", "it ends now; try another")))
        except Exception as error:
            status = status_of(error)
            code = code_pb2.Code.Name(status.code)
            log_fault(error, method)
            await abort(context, status)
        finally:
            took_s = time.monotonic() - start
            metrics.CALLS.labels(method, code).inc()
            metrics.CALL_S.labels(method).observe(took_s)
            with suppress(OSError, ValueError):
                log.info("call", method=method, code=code, duration_s=round(took_s, 4))

    @contextmanager
    def _place(self, context: Context, method: str) -> Iterator[None]:
        with ExitStack() as stack:
            with metrics.refused():
                self._check_room()
                if self._tokens is not None:
                    stack.enter_context(self._tokens.place(context.invocation_metadata() or ()))
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            stack.callback(self._tasks.discard, task)
            stack.enter_context(metrics.RUNNING.labels(method).track_inprogress())
            yield

    def _check_room(self) -> None:
        if len(self._tasks) >= self._most:
            raise Overloaded(
                "server", f"{self._most} calls run already (--max-concurrent-calls); try later"
            )


async def abort(context: Context, status: status_pb2.Status) -> None:
    """Ends the call with this status."""
    sent = rpc_status.to_status(status)
    await context.abort(sent.code, sent.details, sent.trailing_metadata)


def log_fault(error: Exception, method: str) -> None:
    """Where a fault of ours happened, without its message: that may hold a file's name."""
    if isinstance(error, tuple(kind for kind, _, _ in TABLE)):
        return
    frames = [
        f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)
    ]
    with suppress(OSError, ValueError):
        log.error("fault", method=method, kind=type(error).__name__, frames=frames)
