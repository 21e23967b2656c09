"""Jobs as the server sees them: checked and put into the records, asked about, never done here."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sweepnet_service.errors import (
    FailedPrecondition,
    InvalidInput,
    ModelUnreadable,
    NotFound,
    shown,
)
from sweepnet_service.store import Library, checked_name, name_alone
from sweepnet_service.store.entries import HEARING
from sweepnet_service.store.publishing import versions_of
from sweepnet_service.training.budget import check_budget
from sweepnet_service.training.configs import GROUPS, check_confined, ordered, within
from sweepnet_service.training.keeping import Keeping
from sweepnet_service.training.order import Job, Order
from sweepnet_service.training.places import log_of, place_of

if TYPE_CHECKING:
    from sweepnet_service.records.jobs import JobRecords

ASK_EVERY_S = 0.25
LONGEST_BUDGET_MINUTES = 7 * 24 * 60.0
LONGEST_REQUEST_ID = 64


@dataclass(frozen=True)
class Jobs:
    """All trainings that a server takes orders for. `wake` is told that there is work; from answers
    in the folder `captures` orders learn too, unless they say otherwise.
    """

    library: Library
    roots: Sequence[Path]
    keeping: Keeping
    wake: Callable[[], None] = lambda: None
    captures: Path | None = None

    async def start(
        self, order: Order, request_id: str = "", without_captures: bool = False
    ) -> Job:
        """A new job for an order; raises what is wrong with the order."""
        if order.task == "training" and self.captures is not None and not without_captures:
            order = replace(order, captures=str(self.captures.resolve()))
        job = await asyncio.to_thread(self._added, order, request_id)
        self.wake()
        return job

    async def get(self, identity: str) -> Job:
        """The job of this id; raises NotFound."""
        return await asyncio.to_thread(self._get, identity)

    async def all(self) -> list[Job]:
        """All jobs, oldest first."""
        return await asyncio.to_thread(self._all)

    async def cancel(self, identity: str) -> Job:
        """Ask a job to stop; one that has ended stays as it is."""
        return await asyncio.to_thread(lambda: self._records(identity).cancel(identity))

    async def resume(self, identity: str) -> Job:
        """Let a job that failed or was cancelled go on."""
        job = await asyncio.to_thread(lambda: self._records(identity).resume(identity))
        self.wake()
        return job

    async def forget(self, identity: str) -> None:
        """Drop a job that has ended, and what it kept to go on from."""
        await asyncio.to_thread(lambda: self._records(identity).forget(identity))
        place = place_of(self._folder(), identity)
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def log(self, identity: str) -> str:
        """The last lines that a job wrote."""
        kept = await asyncio.to_thread(lambda: self._records(identity).log(identity))
        return kept or await asyncio.to_thread(log_of, self._folder(), identity)

    async def wait(self, identity: str, timeout_s: float | None) -> Job:
        """The job once it has ended, or as it is after `timeout_s`."""
        deadline_s = math.inf if timeout_s is None else timeout_s
        loop = asyncio.get_running_loop()
        deadline_s += loop.time()
        while not (job := await self.get(identity)).ended and loop.time() < deadline_s:
            await asyncio.sleep(ASK_EVERY_S)
        return job

    def _records(self, identity: str) -> JobRecords:
        """The records, which are made by the first order only."""
        if self.keeping.empty:
            raise NotFound("operation", f"no training named {shown(f'operations/{identity}')}")
        return self._opened()

    def _opened(self) -> JobRecords:
        from sweepnet_service.records.jobs import JobRecords

        return JobRecords(self.keeping.database)

    def _get(self, identity: str) -> Job:
        job = self._records(identity).get(identity)
        if job.state == "succeeded":
            # Whoever hears that a model is live finds it live.
            self.library.refresh()
        return job

    def _all(self) -> list[Job]:
        return [] if self.keeping.empty else self._opened().all()

    def _added(self, order: Order, request_id: str) -> Job:
        if len(request_id) > LONGEST_REQUEST_ID:
            raise InvalidInput("request_id", f"got {len(request_id)} characters; expected 64")
        folder = self._folder()
        named = self._with_data(order)
        if named.task == "comparison":
            checked = self._checked_comparison(named)
        else:
            checked = self._checked_training(named, folder)
        return self._opened().add(checked, request_id)

    def _folder(self) -> Path:
        versions_of(self.library)
        assert self.library.folder is not None
        return self.library.folder

    def _with_data(self, order: Order) -> Order:
        """The order with its folder of data: one of the roots', or a data set that was sent."""
        if bool(order.data_set) == (order.data != Path()):
            raise InvalidInput(
                "data_folder", "got nothing, or a data_set too; expected a folder or a data set"
            )
        if order.data_set:
            return replace(order, data=self.keeping.sets.folder_of(order.data_set))
        data = self._checked_folder(order.data)
        return replace(order, data=data, data_set=data.name)

    def _checked_folder(self, data: Path) -> Path:
        if not self.roots:
            raise FailedPrecondition(
                "data_folder",
                "this server may read no folder to train on; start it with --training-roots DIR",
            )
        real, roots = data.resolve(), tuple(root.resolve() for root in self.roots)
        if not within(real, roots):
            raise FailedPrecondition(
                "data_folder",
                "outside of the folders that this server may read (--training-roots)",
            )
        if not real.is_dir():
            raise InvalidInput("data_folder", "no such folder on the server")
        check_confined(real, roots)
        return real

    def _checked_training(self, order: Order, folder: Path) -> Order:
        checked_name(order.model, "model")
        entry = self.library.entries.get(order.model)
        if entry is not None and entry.kind != order.kind and not entry.error:
            raise InvalidInput(
                "model", f"{order.model} is of kind {entry.kind}; choose another name"
            )
        for name in ("budget_minutes", "false_alarms_per_hour"):
            value = getattr(order, name)
            if not 0 <= value <= LONGEST_BUDGET_MINUTES:
                raise InvalidInput(name, f"got {value:g}; expected 0..{LONGEST_BUDGET_MINUTES:g}")
        if order.kind == "image" and order.false_alarms_per_hour:
            raise InvalidInput("false_alarms_per_hour", "is for keyword detectors; leave it out")
        self._check_base(order)
        order = replace(order, base_model=self._pinned(order.base_model))
        label = name_alone(order.model)
        config, _ = ordered(order.kind, label, order.data, folder, order.settings, order.labels)
        check_budget(config, order.budget_minutes)
        return order

    def _check_base(self, order: Order) -> None:
        """Raises where the model to learn from is not there, cannot be read, or finds something of
        another kind.
        """
        if not order.base_model:
            return
        base = self.library.entry(order.base_model)
        if base.error:
            raise ModelUnreadable(base.name, f"{base.error}; learn from another model")
        if base.kind != order.kind and not (order.kind == "keyword" and base.kind in HEARING):
            raise InvalidInput(
                "base_model", f"{base.name} is of kind {base.kind}; expected {order.kind}"
            )

    def _checked_comparison(self, order: Order) -> Order:
        """Both by the names that always mean the same."""
        candidate = self.library.entry(order.model)
        plain = order.model.partition("/versions/")[0].partition("@")[0]
        baseline = self.library.entry(order.baseline or plain)
        for entry in (candidate, baseline):
            if entry.error:
                raise ModelUnreadable(entry.name, f"{entry.error}; compare models that can be used")
        if candidate == baseline:
            raise InvalidInput("baseline", f"is {order.model} itself; expected another version")
        # The folders within the data are called as the candidate's training was told.
        learnt = candidate.version.lineage.settings if candidate.version else {}
        return replace(
            order,
            settings={name: learnt[name] for name in GROUPS if name in learnt},
            kind=candidate.kind,
            model=self._pinned(order.model),
            baseline=self._pinned(order.baseline or plain),
        )

    def _pinned(self, name: str) -> str:
        """The version that a name means now: a job that goes on later means the same."""
        if not name:
            return ""
        entry = self.library.entry(name)
        return entry.version.name if entry.version else entry.name
