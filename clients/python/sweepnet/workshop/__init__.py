"""The workshop of a server: data sets, trainings, versions of models.

from sweepnet import Client
from sweepnet.workshop import Workshop

with Client("127.0.0.1:50051") as client:
    workshop = Workshop(client)
    workshop.send("own", "good_day")
    job = workshop.train("keyword", "datasets/good_day", "good_day", budget_minutes=5)
    for job in workshop.watch(job.name):
        print(job.stage, job.done, job.total)
    workshop.roll_back("good_day")
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Unpack

from sweepnet.aio import AsyncClient
from sweepnet.client import Client
from sweepnet.results import Kind
from sweepnet.workshop import flows
from sweepnet.workshop.options import TrainOptions
from sweepnet.workshop.records import (
    Capture,
    ComparedFigure,
    Comparison,
    DataSet,
    Job,
    Problem,
    Version,
)
from sweepnet.workshop.sending import Sent

__all__ = [
    "AsyncWorkshop",
    "Capture",
    "ComparedFigure",
    "Comparison",
    "DataSet",
    "Job",
    "Problem",
    "TrainOptions",
    "Version",
    "Workshop",
]

LIVE = "live"
LOOK_EVERY_S = 2.0


def unheard(done: int, total: int) -> None:
    """Progress that nobody reads."""


class Workshop:
    """Data sets, trainings and versions of the server that a client is connected to."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def send(self, folder: str | os.PathLike[str], name: str, progress: Sent = unheard) -> DataSet:
        """Send a folder as the data set `datasets/NAME`; broken off, the same call goes on.

        `progress` is told how many bytes of how many the server has.
        """
        return self._client._run(flows.send(folder, name, progress))

    def data_sets(self) -> tuple[DataSet, ...]:
        """Data sets that were sent, in order of name."""
        return self._client._run(flows.data_sets())

    def delete_data_set(self, name: str) -> None:
        """Delete a data set with its files."""
        return self._client._run(flows.delete_data_set(name))

    def train(self, kind: Kind, data: str, name: str, **options: Unpack[TrainOptions]) -> Job:
        """Start a training on `datasets/NAME`, or on a folder that the server may read."""
        return self._client._run(flows.train(kind, data, name, options))

    def compare(self, candidate: str, data: str, baseline: str = "") -> Job:
        """Start to measure a version against another one, by default the live one."""
        return self._client._run(flows.compare(candidate, data, baseline))

    def jobs(self) -> tuple[Job, ...]:
        """All jobs that the server remembers, oldest first."""
        return self._client._run(flows.jobs())

    def job(self, name: str) -> Job:
        """A job as it is."""
        return self._client._run(flows.job(name, None))

    def watch(self, name: str) -> Iterator[Job]:
        """A job whenever it has changed, until it has ended."""
        now = self.job(name)
        yield now
        while not now.ended:
            before, now = now, self._client._run(flows.job(name, LOOK_EVERY_S))
            yield from flows.changes(before, now)

    def cancel(self, name: str) -> None:
        """Ask a job to stop."""
        return self._client._run(flows.cancel(name))

    def resume(self, name: str) -> Job:
        """Let a job that failed or was cancelled go on from what it kept."""
        return self._client._run(flows.resume(name))

    def log(self, name: str) -> str:
        """The last lines that a job wrote."""
        return self._client._run(flows.log(name))

    def forget(self, name: str) -> None:
        """Forget a job that has ended, with what it kept to go on from."""
        return self._client._run(flows.forget(name))

    def versions(self, name: str) -> tuple[Version, ...]:
        """Versions of a detector, the newest first."""
        return self._client._run(flows.versions(name))

    def promote(self, name: str, alias: str = LIVE, force: bool = False) -> Version:
        """Let the alias name a version, such as `welcome/versions/3`."""
        return self._client._run(flows.promote(name, alias, force))

    def roll_back(self, name: str, alias: str = LIVE) -> Version:
        """Let the alias name the version before; which one that is."""
        return self._client._run(flows.roll_back(name, alias))

    def delete_model(self, name: str) -> None:
        """Delete a version, or a detector with all of them."""
        return self._client._run(flows.delete_model(name))

    def captures(self, detector: str = "", unanswered: bool = False) -> tuple[Capture, ...]:
        """What detectors were unsure of, the oldest first, without content."""
        return self._client._run(flows.captures(detector, unanswered))

    def capture(self, name: str) -> Capture:
        """A capture with its audio or picture."""
        return self._client._run(flows.capture(name))

    def answer(self, name: str, answer: bool | None) -> Capture:
        """Say whether a capture holds its label; None takes an answer back. The next training of
        its detector learns from it.
        """
        return self._client._run(flows.answer(name, answer))

    def delete_capture(self, name: str) -> None:
        """Delete a capture, its answer, and what ended trainings kept of it."""
        return self._client._run(flows.delete_capture(name))


class AsyncWorkshop:
    """The same, with `await`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def send(
        self, folder: str | os.PathLike[str], name: str, progress: Sent = unheard
    ) -> DataSet:
        return await self._client._run(flows.send(folder, name, progress))

    async def data_sets(self) -> tuple[DataSet, ...]:
        return await self._client._run(flows.data_sets())

    async def delete_data_set(self, name: str) -> None:
        return await self._client._run(flows.delete_data_set(name))

    async def train(self, kind: Kind, data: str, name: str, **options: Unpack[TrainOptions]) -> Job:
        return await self._client._run(flows.train(kind, data, name, options))

    async def compare(self, candidate: str, data: str, baseline: str = "") -> Job:
        return await self._client._run(flows.compare(candidate, data, baseline))

    async def jobs(self) -> tuple[Job, ...]:
        return await self._client._run(flows.jobs())

    async def job(self, name: str) -> Job:
        return await self._client._run(flows.job(name, None))

    async def watch(self, name: str) -> AsyncIterator[Job]:
        now = await self.job(name)
        yield now
        while not now.ended:
            before, now = now, await self._client._run(flows.job(name, LOOK_EVERY_S))
            for changed in flows.changes(before, now):
                yield changed

    async def cancel(self, name: str) -> None:
        return await self._client._run(flows.cancel(name))

    async def resume(self, name: str) -> Job:
        return await self._client._run(flows.resume(name))

    async def log(self, name: str) -> str:
        return await self._client._run(flows.log(name))

    async def forget(self, name: str) -> None:
        return await self._client._run(flows.forget(name))

    async def versions(self, name: str) -> tuple[Version, ...]:
        return await self._client._run(flows.versions(name))

    async def promote(self, name: str, alias: str = LIVE, force: bool = False) -> Version:
        return await self._client._run(flows.promote(name, alias, force))

    async def roll_back(self, name: str, alias: str = LIVE) -> Version:
        return await self._client._run(flows.roll_back(name, alias))

    async def delete_model(self, name: str) -> None:
        return await self._client._run(flows.delete_model(name))

    async def captures(self, detector: str = "", unanswered: bool = False) -> tuple[Capture, ...]:
        return await self._client._run(flows.captures(detector, unanswered))

    async def capture(self, name: str) -> Capture:
        return await self._client._run(flows.capture(name))

    async def answer(self, name: str, answer: bool | None) -> Capture:
        return await self._client._run(flows.answer(name, answer))

    async def delete_capture(self, name: str) -> None:
        return await self._client._run(flows.delete_capture(name))


for _name, _method in vars(Workshop).items():
    if not _name.startswith("_"):
        getattr(AsyncWorkshop, _name).__doc__ = _method.__doc__
