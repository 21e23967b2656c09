"""Streams with an end to patience: a client that neither speaks nor listens is let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from math import inf
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

T = TypeVar("T")
Kind = type[BaseException] | None


class StreamTooLong(TimeoutError):
    """A stream was open for as long as one may be; who has more to say opens another."""


class Patience:
    """What one call waits for its client, in the call's own task: `idle_s` at a time, `longest_s`
    in all.

    grpc.aio never cancels the call of a client that forgot it, so this is what frees its state.
    """

    def __init__(self, idle_s: float, longest_s: float | None = None) -> None:
        self._idle_s, self._longest_s = idle_s, longest_s
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        self._alarm = Alarm()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._alarm.close()

    async def messages(self, requests: AsyncIterator[T]) -> AsyncIterator[T]:
        """The same messages; raises TimeoutError when the client is silent for longer than
        `idle_s`, StreamTooLong when it speaks for longer than `longest_s` in all.
        """
        while True:
            self._check_length()
            try:
                with self._alarm.after(self._idle_s):
                    message = await anext(requests, None)
            except TimeoutError:
                raise TimeoutError(
                    f"stream: no message for {self._idle_s:g} s (--idle-timeout-s); "
                    "send audio or close the stream"
                ) from None
            if message is None:
                return
            yield message

    async def answer(self, context: grpc.aio.ServicerContext[Any, Any], reply: Any) -> None:
        """Send a reply; raises TimeoutError when the client takes none for longer than `idle_s`."""
        try:
            with self._alarm.after(self._idle_s):
                await context.write(reply)
        except TimeoutError:
            raise TimeoutError(
                f"stream: no reply taken for {self._idle_s:g} s (--idle-timeout-s); "
                "read the replies"
            ) from None

    def _check_length(self) -> None:
        longest_s = self._longest_s
        if longest_s is not None and time.monotonic() - self._begun > longest_s:
            raise StreamTooLong(
                f"stream: open for more than {longest_s:g} s (--max-stream-s); open another"
            )


class Alarm:
    """`asyncio.timeout` for a task that waits thousands of times and is hardly ever late.

    A timer is set once and looks, when it goes off, whether another wait has begun meanwhile.
    """

    def __init__(self) -> None:
        self._loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._task = task
        self._until = inf
        self._timer: asyncio.TimerHandle | None = None
        self._rang, self._cancelled = False, 0

    def after(self, wait_s: float) -> Self:
        """A block that raises TimeoutError once it has lasted so long."""
        self._cancelled = self._task.cancelling()
        self._until = self._loop.time() + wait_s
        if self._timer is None or self._timer.when() > self._until:
            self.close()
            self._timer = self._loop.call_at(self._until, self._look)
        return self

    def __enter__(self) -> None:
        """The block begins; its time has run since `after`."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._until = inf
        if self._rang:
            self._rang = False
            # Cancelled by somebody else at the same time, it stays so.
            if self._task.uncancel() <= self._cancelled and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def close(self) -> None:
        """Sets no one off any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._until <= self._loop.time():
            self._rang = True
            self._task.cancel()
        elif self._until < inf:
            self._timer = self._loop.call_at(self._until, self._look)
