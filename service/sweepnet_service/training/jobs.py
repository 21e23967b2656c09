"""Training jobs: an order becomes a job, a job ends as a live model, an error, or cancelled.

queued -> running -> succeeded | failed
  |          |
  +----------+-> cancelling -> cancelled
"""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sweepnet_service.errors import (
    FailedPrecondition,
    InvalidInput,
    LimitExceeded,
    NotFound,
    SweepnetError,
    shown,
)
from sweepnet_service.progress import Progress
from sweepnet_service.store import Library, checked_name, file_of_name, name_alone
from sweepnet_service.training.configs import check_confined, ordered, within
from sweepnet_service.training.process import run_worker

State = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
FOLLOWS: Mapping[State, tuple[State, ...]] = {
    "queued": ("running", "cancelling"),
    "running": ("succeeded", "failed", "cancelling"),
    "cancelling": ("cancelled", "succeeded", "failed"),
    "succeeded": (),
    "failed": (),
    "cancelled": (),
}
WAITING = Progress("waiting", 0, 0)
MOST_OPEN = 16
MOST_KEPT = 1000


@dataclass(frozen=True)
class Order:
    """What to train: kind, resource name of the model, folder of data, settings by name."""

    kind: str
    model: str
    data: Path
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """An order and how far it is; times in seconds since 1970."""

    id: str
    order: Order
    created_s: float
    updated_s: float
    state: State = "queued"
    progress: Progress = WAITING
    error: SweepnetError | None = None
    result: Any = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return not FOLLOWS[self.state]

    def moved(self, state: State, error: SweepnetError | None = None) -> Job:
        """The same job in its next state."""
        if state not in FOLLOWS[self.state]:
            raise FailedPrecondition(self.id, f"a {self.state} training cannot become {state}")
        return replace(self, state=state, error=error, updated_s=time.time())


class Jobs:
    """All trainings of one server; one runs, the others wait their turn.

    `describe` makes the result of a job out of its model's name, once.
    """

    def __init__(
        self,
        library: Library,
        roots: tuple[Path, ...],
        describe: Callable[[str], Any] = lambda name: None,
    ) -> None:
        self._describe = describe
        self._library, self._roots = library, tuple(root.resolve() for root in roots)
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self._changed = asyncio.Condition()

    async def start(self, order: Order) -> Job:
        """A new job for an order; raises what is wrong with the order."""
        folder = self._models_folder()
        checked = replace(order, data=self._checked_data(order.data))
        self._check_name(checked.model)
        self._check_room()
        await asyncio.to_thread(_check_settings, checked, folder, self._roots)
        # From here on nothing else runs until the job is counted.
        self._check_room()
        job = Job(uuid.uuid4().hex[:16], checked, time.time(), time.time())
        self._jobs[job.id] = job
        self._tasks[job.id] = asyncio.create_task(self._perform(job.id, folder))
        return job

    def _check_room(self) -> None:
        if sum(not job.ended for job in self._jobs.values()) >= MOST_OPEN:
            raise LimitExceeded("training", f"{MOST_OPEN} trainings wait already; try later")

    def get(self, identity: str) -> Job:
        """The job of this id; raises NotFound."""
        if identity not in self._jobs:
            raise NotFound("operation", f"no training named {shown(f'operations/{identity}')}")
        return self._jobs[identity]

    def all(self) -> list[Job]:
        """All jobs, oldest first."""
        return list(self._jobs.values())

    async def cancel(self, identity: str) -> Job:
        """Ask a job to stop; one that has ended stays as it is."""
        job = self.get(identity)
        if not job.ended and job.state != "cancelling":
            await self._put(job.moved("cancelling"))
            task = self._tasks.get(identity)
            if task is not None:
                task.cancel()
        return self.get(identity)

    async def wait(self, identity: str, timeout_s: float | None) -> Job:
        """The job once it has ended, or as it is after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self.get(identity).ended)
        except TimeoutError:
            pass
        return self.get(identity)

    def forget(self, identity: str) -> None:
        """Drop the record of a job that has ended."""
        if not self.get(identity).ended:
            raise FailedPrecondition("operation", "the training still runs; cancel it first")
        del self._jobs[identity]

    async def close(self) -> None:
        """Stop every job."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _perform(self, identity: str, folder: Path) -> None:
        """One job from its turn to its end."""
        place = folder / ".training" / identity
        try:
            async with self._turn:
                await self._put(self.get(identity).moved("running"))
                made = await self._train(identity, place)
                await _whole(self._complete(identity, made, folder))
        except asyncio.CancelledError:
            await self._end_cancelled(identity)
            raise
        except SweepnetError as error:
            await self._put(self.get(identity).moved("failed", error))
        except OSError as error:
            told = FailedPrecondition("training", f"the file system refused: {error.strerror}")
            await self._put(self.get(identity).moved("failed", told))
        except Exception as error:
            told = FailedPrecondition("training", f"the server failed ({type(error).__name__})")
            await self._put(self.get(identity).moved("failed", told))
        finally:
            shutil.rmtree(place, ignore_errors=True)
            self._tasks.pop(identity, None)

    async def _complete(self, identity: str, made: Path, folder: Path) -> None:
        """Put the model among the others; what is told of it stays as it is now."""
        name = self.get(identity).order.model
        _keep(made, file_of_name(folder, name))
        await asyncio.to_thread(self._library.refresh)
        result = await asyncio.to_thread(self._describe, name)
        await self._put(replace(self.get(identity).moved("succeeded"), result=result))

    async def _train(self, identity: str, place: Path) -> Path:
        place.mkdir(parents=True, exist_ok=True)
        order = self.get(identity).order
        worker = run_worker(order.kind, order.model, order.data, place, order.settings)
        # Closed here and now: whatever happens, no worker outlives its job.
        async with aclosing(worker) as news:
            async for told in news:
                if isinstance(told, Path):
                    return told
                job = self.get(identity)
                await self._put(replace(job, progress=told, updated_s=time.time()))
        raise FailedPrecondition("training", "the worker ended without a model")

    async def _end_cancelled(self, identity: str) -> None:
        job = self.get(identity)
        if job.ended:
            return
        asked = job if job.state == "cancelling" else job.moved("cancelling")
        await self._put(asked.moved("cancelled"))

    async def _put(self, job: Job) -> None:
        async with self._changed:
            self._jobs[job.id] = job
            self._changed.notify_all()
            if len(self._jobs) > MOST_KEPT:
                oldest = next(each.id for each in self._jobs.values() if each.ended)
                del self._jobs[oldest]

    def _models_folder(self) -> Path:
        if self._library.folder is None:
            raise FailedPrecondition(
                "model", "this server has no folder to put a model in; start it with --models DIR"
            )
        return self._library.folder

    def _checked_data(self, data: Path) -> Path:
        if not self._roots:
            raise FailedPrecondition(
                "data_folder",
                "this server may read no folder to train on; start it with --training-roots DIR",
            )
        real = data.resolve()
        if not within(real, self._roots):
            raise FailedPrecondition(
                "data_folder",
                "outside of the folders that this server may read (--training-roots)",
            )
        if not real.is_dir():
            raise InvalidInput("data_folder", "no such folder on the server")
        return real

    def _check_name(self, name: str) -> None:
        entry = self._library.entries.get(checked_name(name, "model"))
        if entry is not None and entry.shipped:
            raise FailedPrecondition("model", f"{name} came with sweepnet; choose another name")


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Do the work to its end, even where the waiting task is cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _check_settings(order: Order, folder: Path, roots: Sequence[Path]) -> None:
    """Raises InvalidInput now for what the worker would find wrong later, or must not reach."""
    check_confined(order.data, roots)
    ordered(order.kind, name_alone(order.model), order.data, folder, order.settings)


def _keep(made: Path, place: Path) -> None:
    """Move a model and its card into the folder of models, the card first: a model has one."""
    card = made.with_suffix(".md")
    if card.exists():
        card.replace(place.with_suffix(".md"))
    made.replace(place)
