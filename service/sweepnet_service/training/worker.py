"""The worker: takes jobs from the records, one at a time, and gives each a process of its own.

The lease in the records says whose a job is; beside it a lock on the job's folder, which only the
end of every process that holds it frees, keeps two from writing there, even where one was
suspended for longer than its lease.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

from sweepnet_service.errors import SweepnetError
from sweepnet_service.progress import Progress
from sweepnet_service.records import Database
from sweepnet_service.records.comparisons import ComparisonRecords
from sweepnet_service.records.jobs import JobRecords
from sweepnet_service.store import Library, publishing
from sweepnet_service.training.completing import completed
from sweepnet_service.training.order import Failure, Job, State
from sweepnet_service.training.places import LOG, LONGEST_LOG, PLACES, log_of, place_of
from sweepnet_service.training.process import Budget, Died, Done, Found, Told, run_child

R = TypeVar("R")
LEASE_S, BEAT_S, POLL_S = 20.0, 1.0, 0.5
LOCK = "lock"
MOST_LOG_BYTES = 1 << 20
KEPT_S = 7 * 86_400.0
"""How long the work of a job that failed or was cancelled is kept to go on from."""


@dataclass(frozen=True)
class Workplace:
    """Where a worker works: a folder of models, and the records of its jobs."""

    models: Path
    database: Database
    owner: str = field(
        default_factory=lambda: f"{socket.gethostname()}/{os.getpid()}-{uuid.uuid4().hex[:8]}"[-64:]
    )

    @property
    def jobs(self) -> JobRecords:
        """The jobs."""
        return JobRecords(self.database)

    def place(self, identity: str) -> Path:
        """The folder of a job."""
        return place_of(self.models, identity)

    def abandoned(self, identity: str, owner: str) -> bool:
        """Whether a job's worker is gone, and so is the process that it started.

        Numbers of processes mean little to a worker in another container of the same host name:
        who holds the job's folder is there.
        """
        if not gone(owner):
            return False
        lock = self.place(identity) / LOCK
        if not lock.exists():
            return True
        with locked(lock) as held:
            return held is not None


async def work(workplace: Workplace, stop: asyncio.Event, once: bool = False) -> None:
    """Do job after job until `stop` is set; with `once` until none is left."""
    tidy(workplace)
    while not stop.is_set():
        job = await asyncio.to_thread(
            workplace.jobs.take, workplace.owner, LEASE_S, workplace.abandoned
        )
        if job is not None:
            await perform(workplace, job, stop)
        elif once:
            return
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_S)


def gone(owner: str) -> bool:
    """Whether a worker was a process of this machine and is none any more: its job need not wait
    for the end of the lease.
    """
    host, _, rest = owner.rpartition("/")
    number = rest.partition("-")[0]
    if host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def tidy(workplace: Workplace) -> None:
    """Remove what nobody needs: work of jobs that are gone or ended long ago, crashed versions."""
    publishing.versions_of(Library(workplace.models)).tidy()
    folder, now_s = workplace.models / PLACES, time.time()
    known = {job.id: job for job in workplace.jobs.all()}
    for place in (path for path in folder.glob("*/") if (path / LOCK).exists()):
        job = known.get(place.name)
        # What these records do not know may belong to others'.
        changed_s = place.stat().st_mtime if job is None else job.updated_s
        if (job is None or job.ended) and now_s - changed_s > KEPT_S:
            with locked(place / LOCK) as held:
                if held is not None:
                    shutil.rmtree(place, ignore_errors=True)


async def perform(workplace: Workplace, job: Job, stop: asyncio.Event) -> None:
    """One job from its lease to its end, or to the loss of the lease."""
    place = workplace.place(job.id)
    place.mkdir(parents=True, exist_ok=True)
    with locked(place / LOCK) as held, opened_log(place / LOG) as log:
        if held is None:
            await asyncio.to_thread(workplace.jobs.give_back, job.id, workplace.owner)
            await asyncio.sleep(POLL_S)
            return
        ended = await Attempt(workplace, job, stop).run(log, held)
    if ended == "succeeded":
        shutil.rmtree(place, ignore_errors=True)


class Attempt:
    """One attempt at a job."""

    def __init__(self, workplace: Workplace, job: Job, stop: asyncio.Event) -> None:
        self._workplace, self._job, self._stop = workplace, job, stop
        self._records, self._owner = workplace.jobs, workplace.owner
        self._progress: Progress | None = None
        self._state: State | None = "running"

    async def run(self, log: IO[bytes], held: int) -> State | None:
        """How the job ended; None where it has not, or is another's."""
        labour = asyncio.create_task(self._labour(log, held))
        try:
            while not labour.done():
                await asyncio.wait({labour}, timeout=BEAT_S)
                if not await self._beat() or self._stop.is_set():
                    break
            if self._state is None or not labour.done():
                return await self._broken_off(labour)
            return await self._ended(labour, log)
        finally:
            labour.cancel()
            await asyncio.gather(labour, return_exceptions=True)

    async def _labour(self, log: IO[bytes], held: int) -> Done:
        place = self._workplace.place(self._job.id)
        child = run_child(self._job.order, place, self._workplace.models, log, held)
        # Closed here and now: whatever happens, no process outlives its job.
        async with aclosing(child) as news:
            async for told in news:
                if isinstance(told, Done):
                    return told
                await self._note(told)
        raise Died("the training process ended without a model")

    async def _note(self, told: Told) -> None:
        if isinstance(told, Progress):
            self._progress = told
        elif isinstance(told, Found):
            await self._record(self._records.note, problems=told.problems)
        elif isinstance(told, Budget):
            await self._record(self._records.note, budget_steps=told.steps)

    async def _beat(self) -> bool:
        """A sign of life; whether to go on."""
        progress, self._progress = self._progress, None
        self._state = await self._record(self._records.beat, LEASE_S, progress)
        return self._state == "running"

    async def _broken_off(self, labour: asyncio.Task[Done]) -> State | None:
        """Somebody wants it to stop, or has taken it over; its process ends first."""
        labour.cancel()
        await asyncio.gather(labour, return_exceptions=True)
        if self._state == "cancelling":
            return await self._end("cancelled")
        if self._state == "running":
            await self._record(self._records.give_back)
        return None

    async def _ended(self, labour: asyncio.Task[Done], log: IO[bytes]) -> State | None:
        try:
            result = await self._beating(asyncio.to_thread(self._completed, labour.result()))
        except SweepnetError as error:
            return await self._end(
                "failed", Failure(type(error).__name__, error.where, error.message)
            )
        except OSError as error:
            told = f"the file system refused: {error.strerror}"
            return await self._end("failed", Failure("FailedPrecondition", "training", told))
        except Exception as error:
            why = str(error) if isinstance(error, Died) else f"{type(error).__name__}: {error}"
            log.write(f"{why}\n".encode())
            killed = isinstance(error, Died) and error.killed
            await self._record(self._records.crashed, why, self._log(), killed)
            return None
        return await self._end("succeeded", result=result)

    async def _beating(self, work: Awaitable[R]) -> R:
        """What the work brings; the job stays this worker's meanwhile."""
        task = asyncio.ensure_future(work)
        while not (await asyncio.wait({task}, timeout=BEAT_S))[0]:
            # Records that are busy for a while do not undo what is done.
            with suppress(SweepnetError):
                await self._beat()
        return task.result()

    def _completed(self, told: Done) -> object:
        library = Library(self._workplace.models)
        return completed(self._job, told, library, ComparisonRecords(self._workplace.database))

    async def _end(
        self, state: State, failure: Failure | None = None, result: object = None
    ) -> State | None:
        """The state, or None where the job is another's meanwhile and goes on."""
        if self._progress is not None:
            await self._record(self._records.beat, LEASE_S, self._progress)
        ours = await self._record(self._records.end, state, failure, result, self._log())
        return state if ours else None

    def _log(self) -> str:
        return log_of(self._workplace.models, self._job.id)

    async def _record(self, write: Callable[..., R], *values: object, **named: object) -> R:
        return await asyncio.to_thread(write, self._job.id, self._owner, *values, **named)


@contextmanager
def locked(path: Path) -> Iterator[int | None]:
    """The handle of a file that this process has locked; None where another one has."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield handle
    finally:
        os.close(handle)


@contextmanager
def opened_log(path: Path) -> Iterator[IO[bytes]]:
    """The log, to be added to; what was too much of it is dropped first."""
    if path.exists() and path.stat().st_size > MOST_LOG_BYTES:
        path.write_bytes(path.read_bytes()[-LONGEST_LOG:])
    with path.open("ab", buffering=0) as file:
        yield file
