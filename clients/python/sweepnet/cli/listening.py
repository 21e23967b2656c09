"""Recordings one after another, with every update seen as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from sweepnet import Client, Scored, SpotOpened, SpotUpdate, _streams
from sweepnet.errors import ServerFault, SweepnetError
from sweepnet.options import SpotOptions


class Listener(Protocol):
    """Who wants to see the updates of a recording."""

    def hear(self, source: str, opened: SpotOpened, update: SpotUpdate) -> None:
        """News of the recording `source`."""


def listened(
    client: Client,
    files: Iterable[str],
    options: SpotOptions,
    listeners: Sequence[Listener],
    keep: bool = False,
) -> Iterator[Scored]:
    """The results, in bounded memory unless updates are to be kept; one that fails is told of."""
    for name in files:
        try:
            yield _listened(client, name, options, listeners, keep)
        except SweepnetError as error:
            yield Scored(name, error=error.message)


def _listened(
    client: Client, name: str, options: SpotOptions, listeners: Sequence[Listener], keep: bool
) -> Scored:
    updates: list[SpotUpdate] = []
    with (
        _streams.recorded(name, options) as (whole, chunks),
        client.stream(chunks, **whole) as stream,
    ):
        for update in stream:
            if stream.opened is None:
                raise ServerFault("the server sent news of a stream that it has not opened")
            for listener in listeners:
                listener.hear(name, stream.opened, update)
            updates += [update] if keep else []
        return Scored(name, _streams.result(stream.replies, updates))
