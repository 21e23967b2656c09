"""Workers and their training processes: whatever either does, a job ends once and rightly."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress
from sweepnet_service.records.jobs import JobRecords
from sweepnet_service.store import LIVE, Library, publishing
from sweepnet_service.store.version import sha256_of
from sweepnet_service.training import worker
from sweepnet_service.training.completing import completed
from sweepnet_service.training.order import Job, Order, Problem
from sweepnet_service.training.process import Died, Done, Found, Told
from sweepnet_service.training.worker import Workplace, locked

from .labour import NAME, Child, order, worked

WORSE = {
    **{"label": "one", "figure": "miss_rate", "candidate": 0.5, "baseline": 0.1},
    **{"difference_low": 0.2, "difference_high": 0.6, "worse": True},
}


def test_a_job_ends_as_a_live_version(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """Which tells where it comes from; what the job kept is gone."""
    job = worked(workplace, monkeypatch, made, order(settings={"seed": 5}))
    assert job.state == "succeeded"
    assert (job.problem_count, job.budget_steps, job.progress.stage) == (1, 7, "steps")
    assert job.result is not None
    assert (job.result["version"], job.result["promoted"]) == ("detectors/a/versions/1", True)
    version = Library(workplace.models).entry(NAME).version
    assert version is not None
    lineage = version.lineage
    assert (lineage.operation, lineage.data_set, lineage.settings) == (
        job.name,
        "data",
        {"seed": 5},
    )
    assert not workplace.place(job.id).exists()


def test_a_job_done_twice_publishes_once(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """As when the worker dies between the publishing and its record."""
    real, fails = JobRecords.end, [True]

    def end(self: JobRecords, *arguments: Any, **named: Any) -> bool:
        if fails and arguments[2] == "succeeded":
            fails.clear()
            raise KeyError("the worker is gone")
        return real(self, *arguments, **named)

    monkeypatch.setattr(JobRecords, "end", end)
    monkeypatch.setattr(worker, "run_child", made)
    records = JobRecords(workplace.database)
    job = records.add(order())
    with pytest.raises(KeyError):
        asyncio.run(worker.work(workplace, asyncio.Event(), once=True))
    monkeypatch.setattr(worker, "LEASE_S", -1.0)
    with workplace.database.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET leased_until_s = 0")
    asyncio.run(worker.work(workplace, asyncio.Event(), once=True))
    assert records.get(job.id).state == "succeeded"
    assert [v.number for v in publishing.versions_of(Library(workplace.models)).of(NAME)] == [1]


@pytest.mark.parametrize(
    ("promotion", "worse", "live"),
    [
        ("unless worse", True, 1),
        ("unless worse", False, 2),
        ("always", True, 2),
        ("never", False, 1),
    ],
)
def test_a_worse_model_is_not_promoted(
    workplace: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    made: Child,
    promotion: Any,
    worse: bool,
    live: int,
) -> None:
    """Unless it is wanted in any case; PromoteModel then meets the same objection."""
    worked(workplace, monkeypatch, made)

    async def child(*given: Any) -> AsyncGenerator[Told, None]:
        async for told in made(*given):
            if isinstance(told, Done):
                figures = [WORSE] if worse else []
                found = {"data_set": "data", "worse": worse, "figures": figures}
                found["baseline_sha256"] = sha256_of(Path(told.path))
                yield Done(told.path, told.data_sha256, found)
            else:
                yield told

    job = worked(workplace, monkeypatch, child, order(promotion=promotion))
    assert job.state == "succeeded"
    assert job.result is not None
    library = Library(workplace.models)
    assert publishing.versions_of(library).aliases(NAME) == {LIVE: live}
    assert job.result["promoted"] == (live == 2)
    assert bool(job.result["not_promoted_because"]) == (live == 1)
    assert job.result["comparison"]["baseline"] == "detectors/a/versions/1"


def test_what_became_live_meanwhile_is_not_replaced_unmeasured(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child, tiny_models: Path
) -> None:
    """The figures are told of the version that they are of."""
    worked(workplace, monkeypatch, made)
    measured_sha256 = sha256_of(tiny_models / "tiny.safetensors")
    other = workplace.models.parent / "other.safetensors"
    detector = KeywordDetector.load(tiny_models / "tiny.safetensors")
    replace(detector, default_thresholds=dict.fromkeys(detector.labels, 0.9)).save(other)

    async def child(*given: Any) -> AsyncGenerator[Told, None]:
        library = Library(workplace.models)
        publishing.promote(library, publishing.publish(library, NAME, other).name)
        async for told in made(*given):
            if isinstance(told, Done):
                found = {"data_set": "data", "worse": False, "figures": []}
                found["baseline_sha256"] = measured_sha256
                yield Done(told.path, told.data_sha256, found)

    job = worked(workplace, monkeypatch, child)
    assert job.result is not None
    assert job.result["comparison"]["baseline"] == f"{NAME}/versions/1"
    assert not job.result["promoted"]
    assert f"{NAME}/versions/2 became live while" in job.result["not_promoted_because"]
    assert publishing.versions_of(Library(workplace.models)).aliases(NAME) == {LIVE: 2}


def test_a_long_publishing_keeps_its_lease(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """Nobody takes the job from a worker whose disk is slow."""
    records, real = JobRecords(workplace.database), completed
    taken: list[Job | None] = []

    def slow(*given: Any) -> Any:
        time.sleep(0.6)
        taken.append(records.take("another", 60.0))
        return real(*given)

    monkeypatch.setattr(worker, "LEASE_S", 0.4)
    monkeypatch.setattr(worker, "completed", slow)
    assert worked(workplace, monkeypatch, made).state == "succeeded"
    assert taken == [None]


def test_who_loses_its_lease_while_publishing_leaves_the_work(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """To the one that has it now, and that would have to begin anew without."""
    real = completed

    def lost(*given: Any) -> Any:
        with workplace.database.begin() as connection:
            connection.exec_driver_sql("UPDATE jobs SET owner = 'another'")
        return real(*given)

    monkeypatch.setattr(worker, "completed", lost)
    job = worked(workplace, monkeypatch, made)
    assert job.state == "running"
    assert (workplace.place(job.id) / "made.safetensors").exists()


def test_an_error_of_the_order_ends_a_job_at_once(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would come again; in its own words."""

    async def child(*_: Any) -> AsyncGenerator[Told, None]:
        yield Found((Problem("a.wav", "unreadable", refused=True),))
        raise InvalidInput("data", "cannot be used; a.wav: unreadable")

    job = worked(workplace, monkeypatch, child)
    assert (job.state, job.attempt, job.problem_count) == ("failed", 1, 1)
    assert job.failure is not None
    assert (job.failure.kind, job.failure.message) == (
        "InvalidInput",
        "cannot be used; a.wav: unreadable",
    )


@pytest.mark.parametrize("fault", [ZeroDivisionError("inside"), Died("exit code -9")])
def test_a_crash_is_tried_again_and_then_told(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Three times; the training is closed each time, the log is kept."""
    closed = []

    async def child(
        _order: Order, _place: Path, _models: Path, log: Any, _held: int
    ) -> AsyncGenerator[Told, None]:
        try:
            yield Progress("steps", 5, 10)
            log.write(b"words before the end\n")
            raise fault
        finally:
            closed.append(True)

    job = worked(workplace, monkeypatch, child)
    assert (job.state, job.attempt) == ("failed", 3)
    assert closed == [True] * 3
    assert job.failure is not None
    assert "3 times in a row; its log tells more" in job.failure.message
    log = JobRecords(workplace.database).log(job.id)
    assert log.count("words before the end") == 3
    assert workplace.place(job.id).exists()


def test_a_full_disk_at_the_publishing_fails_the_job(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """What it kept stays; resumed once there is room, it ends well."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("sweepnet_service.store.durable.write_whole", full)
        job = worked(workplace, monkeypatch, made)
    assert job.state == "failed"
    assert job.failure is not None
    assert job.failure.message == "the file system refused: No space left on device"
    assert workplace.place(job.id).exists()
    JobRecords(workplace.database).resume(job.id)
    asyncio.run(worker.work(workplace, asyncio.Event(), once=True))
    assert JobRecords(workplace.database).get(job.id).state == "succeeded"


def test_a_cancelled_job_stops_its_process(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    async def child(*_: Any) -> AsyncGenerator[Told, None]:
        try:
            yield Progress("steps", 1, 2)
            job = records.all()[0]
            await asyncio.to_thread(records.cancel, job.id)
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    records = JobRecords(workplace.database)
    assert worked(workplace, monkeypatch, child).state == "cancelled"
    assert closed == [True]


def test_a_worker_that_is_stopped_gives_its_job_back(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """At once, and the next one takes it up."""
    stop = asyncio.Event()

    async def child(*_: Any) -> AsyncGenerator[Told, None]:
        yield Progress("steps", 1, 2)
        stop.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(worker, "run_child", child)
    records = JobRecords(workplace.database)
    job = records.add(order())
    asyncio.run(worker.work(workplace, stop))
    assert records.get(job.id).state == "queued"
    monkeypatch.setattr(worker, "run_child", made)
    asyncio.run(worker.work(workplace, asyncio.Event(), once=True))
    assert records.get(job.id).state == "succeeded"


def test_a_worker_that_lost_its_lease_lets_go(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process ends, and it writes nothing about the job any more."""
    records = JobRecords(workplace.database)

    async def child(*_: Any) -> AsyncGenerator[Told, None]:
        yield Progress("steps", 1, 2)
        with workplace.database.begin() as connection:
            connection.exec_driver_sql("UPDATE jobs SET owner = 'another'")
        await asyncio.sleep(60)

    job = worked(workplace, monkeypatch, child)
    assert job.state == "running"
    assert records.beat(job.id, "another", 60.0) == "running"


def test_who_lost_its_lease_publishes_nothing(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """Though its training ended well in the same moment."""

    async def child(*given: Any) -> AsyncGenerator[Told, None]:
        with workplace.database.begin() as connection:
            connection.exec_driver_sql("UPDATE jobs SET owner = 'another'")
        async for told in made(*given):
            yield told

    job = worked(workplace, monkeypatch, child)
    assert job.state == "running"
    assert publishing.versions_of(Library(workplace.models)).of(NAME) == []
    assert workplace.place(job.id).exists()


def test_a_folder_in_use_is_not_worked_in(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """Even where the records say that nobody has the job: its old process may live still."""
    monkeypatch.setattr(worker, "run_child", made)
    monkeypatch.setattr(worker, "POLL_S", 0.01)
    records = JobRecords(workplace.database)
    job = records.add(order())
    workplace.place(job.id).mkdir(parents=True)
    stop = asyncio.Event()

    async def run() -> None:
        with locked(workplace.place(job.id) / worker.LOCK) as held:
            assert held is not None
            task = asyncio.create_task(worker.work(workplace, stop))
            await asyncio.sleep(0.5)
            assert records.get(job.id).state in ("queued", "running")
            stop.set()
            await task
        assert records.get(job.id).state == "queued"

    asyncio.run(run())


def test_a_comparison_is_remembered(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """And speaks against the promotion."""
    for _ in range(2):
        worked(workplace, monkeypatch, made, order(promotion="never"))
    versions = [f"{NAME}/versions/{number}" for number in (1, 2)]

    async def child(*_: Any) -> AsyncGenerator[Told, None]:
        yield Done("", "", {"data_set": "data", "worse": True, "figures": [WORSE]})

    told = Order(
        "keyword", versions[1], Path("/d"), task="comparison", data_set="d", baseline=versions[0]
    )
    job = worked(workplace, monkeypatch, child, told)
    assert job.result is not None
    assert job.result["comparison"]["candidate"] == versions[1]
    from sweepnet_service.records.comparisons import ComparisonRecords

    against = ComparisonRecords(workplace.database).objection(*versions[::-1])
    assert against.startswith("miss_rate of one 0.5, there 0.1")
