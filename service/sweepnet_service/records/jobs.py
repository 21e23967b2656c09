"""Jobs in the database: added and asked about by servers, leased by workers.

A worker holds a job for as long as it gives signs of life. What it writes counts only while it
holds it: another may have taken it over meanwhile.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from sweepnet_service.errors import FailedPrecondition, LimitExceeded, NotFound, shown
from sweepnet_service.progress import Progress
from sweepnet_service.records.database import Database
from sweepnet_service.records.tables import JOBS
from sweepnet_service.training.order import (
    ENDS,
    WAITING,
    Failure,
    Job,
    Order,
    Problem,
    State,
)
from sweepnet_service.training.places import LONGEST_LOG

MOST_OPEN, MOST_KEPT = 16, 1000
MOST_PROBLEMS = 1000
MOST_CRASHES = 3
"""A training that crashes so often without having got any further has failed."""
MOST_INTERRUPTIONS = 30
"""The same where it was killed, or its worker went: that says less about the training."""


class JobRecords:
    """All jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, order: Order, request_id: str = "") -> Job:
        """A new job, or the one that was added with the same (not empty) `request_id`.

        Raises LimitExceeded where too many are open.
        """
        with self._database.begin() as connection:
            if request_id and (known := _one(connection, JOBS.c.request_id == request_id)):
                return _same(known, order)
            waiting = select(func.count()).where(JOBS.c.state.not_in(ENDS))
            if (connection.scalar(waiting) or 0) >= MOST_OPEN:
                raise LimitExceeded("training", f"{MOST_OPEN} trainings wait already; try later")
            _forget_oldest(connection)
            now_s, identity = time.time(), uuid.uuid4().hex[:16]
            named = order.data_set if order.data_set.startswith("datasets/") else None
            values = {**FRESH, "id": identity, "created_s": now_s, "updated_s": now_s}
            values |= {
                "order": order.to_json(),
                "data_set": named,
                "request_id": request_id or None,
            }
            connection.execute(JOBS.insert().values(values))
            return _known(connection, identity)

    def get(self, identity: str) -> Job:
        """The job of this id; raises NotFound."""
        with self._database.reading() as connection:
            return _known(connection, identity)

    def all(self) -> list[Job]:
        """All jobs, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(JOBS).order_by(JOBS.c.created_s, JOBS.c.id))
            return [_job(row) for row in rows]

    def waiting(self) -> bool:
        """Whether any job has not ended."""
        with self._database.reading() as connection:
            row = connection.execute(select(JOBS.c.id).where(JOBS.c.state.not_in(ENDS)).limit(1))
            return row.first() is not None

    def log(self, identity: str) -> str:
        """The log of a job that has ended."""
        with self._database.reading() as connection:
            _known(connection, identity)
            return connection.scalar(select(JOBS.c.log).where(JOBS.c.id == identity)) or ""

    def cancel(self, identity: str) -> Job:
        """Ask a job to stop; one that nobody works on has stopped, one that has ended stays."""
        with self._database.begin() as connection:
            job = _known(connection, identity)
            if job.ended:
                return job
            row = connection.execute(select(JOBS).where(JOBS.c.id == identity)).one()
            held = job.state != "queued" and row.leased_until_s > time.time()
            state: State = "cancelling" if held else "cancelled"
            return _set(connection, identity, state=state)

    def resume(self, identity: str) -> Job:
        """Let a job that failed or was cancelled go on; raises FailedPrecondition for others."""
        with self._database.begin() as connection:
            job = _known(connection, identity)
            if job.state not in ("failed", "cancelled"):
                raise FailedPrecondition(
                    "name", f"{job.name} is {job.state}; only what failed or was cancelled goes on"
                )
            row = connection.execute(select(JOBS).where(JOBS.c.id == identity)).one()
            if job.order.data_set.startswith("datasets/") and row.data_set is None:
                raise FailedPrecondition(
                    "name",
                    f"{job.order.data_set}, which {job.name} learnt from, was deleted; send the "
                    "data again and start another training",
                )
            again = {"state": "queued", "error": None, "crashes": 0, "interruptions": 0}
            return _set(connection, identity, **again)

    def forget(self, identity: str) -> None:
        """Drop the record of a job that has ended."""
        with self._database.begin() as connection:
            if not _known(connection, identity).ended:
                raise FailedPrecondition("operation", "the training still runs; cancel it first")
            connection.execute(delete(JOBS).where(JOBS.c.id == identity))

    def take(
        self,
        owner: str,
        lease_s: float,
        abandoned: Callable[[str, str], bool] = lambda identity, owner: False,
    ) -> Job | None:
        """The next job for a worker: the oldest that waits, or whose worker gives no sign, or is
        known to have `abandoned` it.
        """
        now_s = time.time()
        due = select(JOBS).where(JOBS.c.state.not_in(ENDS))
        with self._database.begin() as connection:
            for row in connection.execute(
                due.order_by(JOBS.c.created_s).with_for_update(skip_locked=True)
            ):
                held = row.state != "queued" and row.leased_until_s >= now_s
                if held and not abandoned(row.id, row.owner):
                    continue
                lost = row.interruptions + (row.state == "running")
                if row.state == "cancelling":
                    _set(connection, row.id, state="cancelled")
                elif lost > MOST_INTERRUPTIONS:
                    _fail(connection, row.id, f"its worker went {lost} times without any progress")
                else:
                    return _set(
                        connection,
                        row.id,
                        state="running",
                        owner=owner,
                        leased_until_s=now_s + lease_s,
                        attempt=row.attempt + 1,
                        interruptions=lost,
                    )
        return None

    def beat(
        self, identity: str, owner: str, lease_s: float, progress: Progress | None = None
    ) -> State | None:
        """A sign of life, and how far the job is: its state, or None where it is another's now."""
        with self._database.begin() as connection:
            row = _held(connection, identity, owner)
            if row is None:
                return None
            values: dict[str, Any] = {"leased_until_s": time.time() + lease_s}
            if progress is not None:
                values |= {"progress": asdict(progress), "updated_s": time.time()}
                if progress.done > row.furthest.get(progress.stage, -1):
                    values["furthest"] = {**row.furthest, progress.stage: progress.done}
                    values |= {"crashes": 0, "interruptions": 0}
            connection.execute(update(JOBS).where(JOBS.c.id == identity).values(values))
            state: State = row.state
            return state

    def note(
        self,
        identity: str,
        owner: str,
        problems: Sequence[Problem] | None = None,
        budget_steps: int | None = None,
    ) -> None:
        """Keep what was found out before the training began."""
        with self._database.begin() as connection:
            if _held(connection, identity, owner) is None:
                return
            values: dict[str, Any] = {}
            if problems is not None:
                values["problems"] = [asdict(each) for each in problems[:MOST_PROBLEMS]]
                values["problem_count"] = len(problems)
            if budget_steps is not None:
                values["budget_steps"] = budget_steps
            _set(connection, identity, **values)

    def give_back(self, identity: str, owner: str) -> None:
        """Nothing happened to the job: another worker, or a later one, may have it."""
        with self._database.begin() as connection:
            row = _held(connection, identity, owner)
            if row is not None:
                state = "cancelled" if row.state == "cancelling" else "queued"
                _set(connection, identity, state=state, owner="", leased_until_s=0.0)

    def crashed(self, identity: str, owner: str, why: str, log: str, killed: bool = False) -> None:
        """The training ended in a way of which it could not tell: it is tried again a few times,
        more often where somebody killed it.
        """
        with self._database.begin() as connection:
            row = _held(connection, identity, owner)
            if row is None:
                return
            told = {"owner": "", "leased_until_s": 0.0, "log": log[-LONGEST_LOG:]}
            if row.state == "cancelling":
                _set(connection, identity, state="cancelled", **told)
                return
            counted, most = (
                ("interruptions", MOST_INTERRUPTIONS) if killed else ("crashes", MOST_CRASHES)
            )
            times = row._mapping[counted] + 1
            _set(connection, identity, state="queued", **{counted: times}, **told)
            if times >= most:
                _fail(connection, identity, f"{why}, {times} times in a row")

    def end(
        self,
        identity: str,
        owner: str,
        state: State,
        failure: Failure | None = None,
        result: Mapping[str, Any] | None = None,
        log: str = "",
    ) -> bool:
        """The job's end; whether it was still the worker's to end."""
        with self._database.begin() as connection:
            if _held(connection, identity, owner) is None:
                return False
            _set(
                connection,
                identity,
                state=state,
                error=asdict(failure) if failure else None,
                result=dict(result) if result else None,
                log=log[-LONGEST_LOG:],
                owner="",
                leased_until_s=0.0,
            )
            return True


FRESH: Mapping[str, Any] = {
    **{"state": "queued", "progress": None, "problems": None, "problem_count": 0},
    **{"budget_steps": 0, "error": None, "result": None, "log": "", "attempt": 0, "crashes": 0},
    **{"interruptions": 0, "furthest": {}, "owner": "", "leased_until_s": 0.0},
}


def _forget_oldest(connection: Connection) -> None:
    """Keep the newest of those that have ended."""
    ended = select(JOBS.c.id).where(JOBS.c.state.in_(ENDS)).order_by(JOBS.c.updated_s.desc())
    old = connection.scalars(ended.offset(MOST_KEPT)).all()
    if old:
        connection.execute(delete(JOBS).where(JOBS.c.id.in_(old)))


def _same(job: Job, order: Order) -> Job:
    if job.order != order:
        raise FailedPrecondition("request_id", f"{job.name} was started with it, for another order")
    return job


def _one(connection: Connection, condition: Any) -> Job | None:
    row = connection.execute(select(JOBS).where(condition)).first()
    return None if row is None else _job(row)


def _known(connection: Connection, identity: str) -> Job:
    job = _one(connection, JOBS.c.id == identity)
    if job is None:
        raise NotFound("operation", f"no training named {shown(f'operations/{identity}')}")
    return job


def _held(connection: Connection, identity: str, owner: str) -> Row[Any] | None:
    mine = (JOBS.c.id == identity) & (JOBS.c.owner == owner)
    return connection.execute(select(JOBS).where(mine)).first()


def _set(connection: Connection, identity: str, **values: Any) -> Job:
    values["updated_s"] = time.time()
    connection.execute(update(JOBS).where(JOBS.c.id == identity).values(values))
    return _known(connection, identity)


def _fail(connection: Connection, identity: str, why: str) -> None:
    failure = Failure("FailedPrecondition", "training", f"{why}; its log tells more")
    _set(connection, identity, state="failed", owner="", error=asdict(failure))


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        order=Order.from_json(row.order),
        created_s=row.created_s,
        updated_s=row.updated_s,
        state=row.state,
        progress=Progress(**row.progress) if row.progress else WAITING,
        attempt=row.attempt,
        problems=tuple(Problem(**each) for each in row.problems or ()),
        problem_count=row.problem_count,
        budget_steps=row.budget_steps,
        failure=Failure(**row.error) if row.error else None,
        result=row.result,
    )
