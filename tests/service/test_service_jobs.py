"""Workers and their training processes: whatever either does, a job ends once and rightly."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweepnet_protos.v1 import trainer_pb2
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.errors import FailedPrecondition, InvalidInput
from sweepnet_service.progress import Progress
from sweepnet_service.records.jobs import JobRecords
from sweepnet_service.server import convert_jobs, trainer
from sweepnet_service.store import LIVE, Library, publishing
from sweepnet_service.store.version import sha256_of
from sweepnet_service.training import process, worker
from sweepnet_service.training.completing import completed
from sweepnet_service.training.jobs import Jobs
from sweepnet_service.training.keeping import Keeping
from sweepnet_service.training.order import Job, Order, Problem
from sweepnet_service.training.process import Budget, Died, Done, Found, Told
from sweepnet_service.training.worker import Workplace, locked

NAME = "detectors/a"
WORSE = {
    **{"label": "one", "figure": "miss_rate", "candidate": 0.5, "baseline": 0.1},
    **{"difference_low": 0.2, "difference_high": 0.6, "worse": True},
}


def test_lines_that_mean_nothing_are_passed_over() -> None:
    """A library's remark, half a line, a field too many: none of them ends a training."""
    whole = {"event": "progress", "stage": "a", "done": 1, "total": 2}
    whole |= {"seconds_left": 0.5, "message": "m"}
    for line in (
        b"Fontconfig warning\n",
        b"\xff\xfe\n",
        process.TOO_LONG,
        b"[]\n",
        b"7\n",
        b'{"event": "done"}\n',
        b'{"event": "done", "path": "p", "wings": 2}\n',
        b'{"event": "problems", "problems": [7]}\n',
        b'{"event": "budget", "steps": "many"}\n',
        b'{"event": "progress"}\n',
        json.dumps({**whole, "done": "many"}).encode(),
        b'{"event": "alive"}\n',
    ):
        assert process._told(line) is None
    assert process._told(json.dumps({**whole, "more": 1}).encode()) == Progress("a", 1, 2, 0.5, "m")
    unknown = json.dumps({**whole, "seconds_left": None}).encode()
    assert process._told(unknown) == Progress("a", 1, 2, None, "m")
    problem = {"file": "a.wav", "reason": "too short", "refused": False}
    found = json.dumps({"event": "problems", "problems": [problem]}).encode()
    assert process._told(found) == Found((Problem("a.wav", "too short"),))
    assert process._told(b'{"event": "budget", "steps": 7}') == Budget(7)
    assert process._told(b'{"event": "done", "path": "p"}') == Done("p")
    with pytest.raises(FailedPrecondition, match="training: it failed"):
        process._told(b'{"event": "error"}\n')


def test_what_a_library_prints_is_no_line_of_the_process() -> None:
    """Not even where it writes to the file descriptor itself, or starts a program that does."""
    script = (
        "import os, subprocess, sys;"
        "from sweepnet_service.training.child import own_stdout, Voice;"
        "voice = Voice(own_stdout()); print('a'); os.write(1, b'b\\n');"
        "subprocess.run([sys.executable, '-c', 'print(7)']); voice.say('done', path='/x')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == '{"event": "done", "path": "/x"}\n'
    assert sorted(done.stderr.split()) == ["7", "a", "b"]


def test_a_line_without_an_end_is_passed_over() -> None:
    """Longer than any that the process writes."""
    script = "import sys; sys.stdout.write('x' * 3_000_000 + '\\n{\"event\": \"alive\"}\\n')"

    async def run() -> list[bytes]:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, limit=1 << 20
        )
        lines = []
        while line := await process._line(started):
            lines.append(line)
        await started.wait()
        return lines

    lines = asyncio.run(run())
    assert lines[-1] == b'{"event": "alive"}\n'
    assert process.TOO_LONG in lines


Child = Callable[..., AsyncGenerator[Told, None]]


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    folder = tmp_path / "models"
    folder.mkdir()
    kept = Keeping(folder)
    yield kept
    kept.close()


@pytest.fixture
def workplace(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A worker that looks often."""
    monkeypatch.setattr(worker, "BEAT_S", 0.01)
    assert keeping.models is not None
    return Workplace(keeping.models, keeping.database)


@pytest.fixture
def made(tiny_models: Path) -> Child:
    """A training that ends at once with a model."""

    async def child(order: Order, place: Path, *_: Any) -> AsyncGenerator[Told, None]:
        path = place / "made.safetensors"
        shutil.copy(tiny_models / "tiny.safetensors", path)
        yield Progress("steps", 1, 1)
        yield Found((Problem("a.wav", "too short"),))
        yield Budget(7)
        yield Done(str(path), "0" * 64)

    return child


def order(**more: Any) -> Order:
    return Order("keyword", NAME, Path("/data"), data_set="data", **more)


def worked(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, child: Child, told: Order | None = None
) -> Job:
    """A job as a worker with this training process leaves it."""
    monkeypatch.setattr(worker, "run_child", child)
    records = JobRecords(workplace.database)
    job = records.add(told or order())
    asyncio.run(worker.work(workplace, asyncio.Event(), once=True))
    return records.get(job.id)


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


def test_what_nobody_needs_is_removed(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of jobs that are forgotten or ended long ago; work to go on from is kept."""
    records = JobRecords(workplace.database)
    job = records.add(order())
    records.cancel(job.id)
    for identity in (job.id, "forgotten"):
        place = workplace.place(identity)
        place.mkdir(parents=True)
        (place / worker.LOCK).touch()
    worker.tidy(workplace)
    assert workplace.place(job.id).exists()
    assert workplace.place("forgotten").exists()
    os.utime(workplace.place("forgotten"), (0, 0))
    with locked(workplace.place("forgotten") / worker.LOCK):
        worker.tidy(workplace)
        assert workplace.place("forgotten").exists()
    worker.tidy(workplace)
    assert not workplace.place("forgotten").exists()
    monkeypatch.setattr(worker, "KEPT_S", -1.0)
    worker.tidy(workplace)
    assert not workplace.place(job.id).exists()


def test_a_result_stays_what_it_was(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child, tmp_path: Path
) -> None:
    """Another training of the same name changes nothing of it."""
    first, second = (worked(workplace, monkeypatch, made) for _ in range(2))
    assert first.result is not None
    assert second.result is not None
    told = [job.result["version"] for job in (first, second) if job.result]
    assert told == ["detectors/a/versions/1", "detectors/a/versions/2"]
    from sweepnet_service.records.comparisons import ComparisonRecords

    library, comparisons = Library(workplace.models), ComparisonRecords(workplace.database)
    again = completed(first, Done("gone.safetensors"), library, comparisons)
    assert again["version"] == told[0]
    record = publishing.versions_of(library).get(NAME, 2).folder / "version.json"
    record.write_bytes(b"{")
    told = convert_jobs.operation(library, second)
    result = trainer_pb2.TrainingResult()
    assert told.response.Unpack(result)
    assert "its record version.json is damaged" in result.model.error


def test_a_list_of_jobs_loads_no_model(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, made: Child
) -> None:
    """However many have made one, and whatever was wrong with their data."""
    job = worked(workplace, monkeypatch, made)
    library = Library(workplace.models)
    monkeypatch.setattr("sweepnet_service.store.library.load_detector", None)
    (told,) = convert_jobs.listed(library, [job])
    result, metadata = trainer_pb2.TrainingResult(), trainer_pb2.TrainingMetadata()
    assert told.response.Unpack(result)
    assert told.metadata.Unpack(metadata)
    assert result.model.version.name == f"{NAME}/versions/1"
    assert (result.model.error, len(result.model.labels)) == ("", 0)
    assert (metadata.problem_count, len(metadata.problems)) == (1, 0)


def test_nobody_waits_for_a_model_that_an_operation_tells_of(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is loaded beside the loop that serves."""
    found: list[int] = []
    monkeypatch.setattr(convert_jobs, "operation", lambda *_: found.append(threading.get_ident()))
    jobs = Jobs(Library(keeping.models), (), keeping)
    asyncio.run(trainer._told(jobs, Job("7", order(), 0.0, 0.0)))
    assert found != [threading.get_ident()]
    assert len(found) == 1
