"""Jobs in the records: each is one worker's at a time, whatever dies when; none waits for ever."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sweepnet_service.errors import FailedPrecondition, InvalidInput, LimitExceeded, NotFound
from sweepnet_service.progress import Progress
from sweepnet_service.records import Database
from sweepnet_service.records import jobs as jobs_module
from sweepnet_service.records.comparisons import ComparisonRecords
from sweepnet_service.records.database import MIGRATIONS
from sweepnet_service.records.jobs import JobRecords
from sweepnet_service.records.tables import METADATA
from sweepnet_service.training.order import Failure, Order, Problem

ORDER = Order("image", "detectors/a", Path("/data"), {"batch": 4}, labels=("a",), data_set="data")
LEASE_S = 60.0


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.in_folder(tmp_path)


@pytest.fixture
def records(database: Database) -> JobRecords:
    return JobRecords(database)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets every lease run out."""

    def pass_time() -> None:
        now_s = time.time() + 2 * LEASE_S
        monkeypatch.setattr(jobs_module.time, "time", lambda: now_s)

    return pass_time


def at(step: int, stage: str = "steps") -> Progress:
    return Progress(stage, step, 100)


def test_an_order_is_kept_as_it_was_given(records: JobRecords) -> None:
    job = records.add(ORDER)
    assert job.order == ORDER
    assert (job.state, job.attempt, job.progress.stage) == ("queued", 0, "waiting")
    assert records.all() == [job]


def test_jobs_are_taken_in_turn_and_once(records: JobRecords) -> None:
    first, second = records.add(ORDER), records.add(ORDER)
    taken = [records.take("a", LEASE_S), records.take("b", LEASE_S), records.take("c", LEASE_S)]
    assert [job.id if job else None for job in taken] == [first.id, second.id, None]


def test_two_workers_never_take_one_job(tmp_path: Path, records: JobRecords) -> None:
    """Eight of them at once, each with a database of its own, as processes have."""
    count = 8
    for _ in range(count):
        records.add(ORDER)
    taken: list[str] = []
    start = threading.Barrier(count)

    def worker(number: int) -> None:
        own = JobRecords(Database.in_folder(tmp_path))
        start.wait()
        while (job := own.take(f"worker {number}", LEASE_S)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(job.id for job in records.all())


def test_a_silent_workers_job_is_taken_over(records: JobRecords, later: Callable[[], None]) -> None:
    """And what the old one says from then on does not count."""
    job = records.add(ORDER)
    records.take("old", LEASE_S)
    assert records.take("new", LEASE_S) is None
    later()
    again = records.take("new", LEASE_S)
    assert again is not None
    assert (again.id, again.attempt) == (job.id, 2)
    assert records.beat(job.id, "old", LEASE_S, at(99)) is None
    assert not records.end(job.id, "old", "succeeded", result={"version": "x"})
    records.note(job.id, "old", problems=(Problem("f", "r"),))
    records.crashed(job.id, "old", "why", "log")
    records.give_back(job.id, "old")
    told = records.get(job.id)
    assert (told.state, told.progress.done, told.problem_count) == ("running", 0, 0)
    assert records.beat(job.id, "new", LEASE_S) == "running"


def test_a_sign_of_life_is_no_news(records: JobRecords) -> None:
    """Who watches a job is told of what it does, not that somebody does it."""
    job = records.add(ORDER)
    records.take("w", LEASE_S)
    before = records.get(job.id)
    assert records.beat(job.id, "w", LEASE_S) == "running"
    assert records.get(job.id) == before
    records.beat(job.id, "w", LEASE_S, at(1))
    assert records.get(job.id).updated_s > before.updated_s


def test_a_training_that_keeps_crashing_has_failed(records: JobRecords) -> None:
    """With its log, after three times in a row at one place."""
    job = records.add(ORDER)
    for attempt in (1, 2, 3):
        taken = records.take("w", LEASE_S)
        assert taken is not None
        assert taken.attempt == attempt
        records.beat(job.id, "w", LEASE_S, at(50))
        records.crashed(job.id, "w", "it died (exit code -11)", "Traceback: here")
    told = records.get(job.id)
    assert told.state == "failed"
    assert told.failure is not None
    assert told.failure.message.startswith("it died (exit code -11), 3 times in a row; its log")
    assert records.log(job.id) == "Traceback: here"
    assert records.take("w", LEASE_S) is None


def test_progress_forgives_crashes(records: JobRecords) -> None:
    """A training that gets further each time is not the one that is broken."""
    job = records.add(ORDER)
    for step in range(10):
        assert records.take("w", LEASE_S) is not None
        records.beat(job.id, "w", LEASE_S, at(step))
        records.crashed(job.id, "w", "killed", "")
    assert records.get(job.id).state == "queued"


def test_a_worker_that_keeps_going_away_is_borne_longer(
    records: JobRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine may be restarted; but not for ever."""
    monkeypatch.setattr(jobs_module, "MOST_INTERRUPTIONS", 5)
    job = records.add(ORDER)
    for _ in range(6):
        assert records.take("w", -1.0) is not None
    assert records.take("w", -1.0) is None
    told = records.get(job.id)
    assert told.state == "failed"
    assert told.failure is not None
    assert "its worker went 6 times without any progress" in told.failure.message


def test_who_was_killed_is_borne_longer(records: JobRecords) -> None:
    """Than who crashes by itself."""
    job = records.add(ORDER)
    for _ in range(jobs_module.MOST_INTERRUPTIONS):
        assert records.get(job.id).state == "queued"
        records.take("w", LEASE_S)
        records.crashed(job.id, "w", "it died (exit code -9)", "", killed=True)
    told = records.get(job.id)
    assert told.state == "failed"
    assert told.failure is not None
    assert "it died (exit code -9), 30 times in a row" in told.failure.message


def test_a_job_given_back_is_as_before(records: JobRecords) -> None:
    job = records.add(ORDER)
    for _ in range(10):
        assert records.take("w", LEASE_S) is not None
        records.give_back(job.id, "w")
    assert records.get(job.id).state == "queued"


@pytest.mark.parametrize("end", ["give_back", "crashed", "silence"])
def test_a_cancelled_job_ends_however_its_worker_does(
    records: JobRecords, end: str, later: Callable[[], None]
) -> None:
    job = records.add(ORDER)
    records.take("w", LEASE_S)
    assert records.cancel(job.id).state == "cancelling"
    if end == "give_back":
        records.give_back(job.id, "w")
    elif end == "crashed":
        records.crashed(job.id, "w", "killed", "")
    else:
        later()
        assert records.take("other", LEASE_S) is None
    assert records.get(job.id).state == "cancelled"


def test_what_nobody_works_on_is_cancelled_at_once(records: JobRecords) -> None:
    waiting, left = records.add(ORDER), records.add(ORDER)
    assert records.cancel(waiting.id).state == "cancelled"
    records.take("w", -1.0)
    assert records.cancel(left.id).state == "cancelled"
    assert records.cancel(left.id).state == "cancelled"


def test_what_failed_or_was_cancelled_is_resumed(records: JobRecords) -> None:
    """With its crashes forgiven; what succeeded or runs is not."""
    job = records.add(ORDER)
    records.take("w", LEASE_S)
    with pytest.raises(FailedPrecondition, match="is running; only what failed or was cancelled"):
        records.resume(job.id)
    records.end(job.id, "w", "failed", Failure("InvalidInput", "data", "empty"), log="why")
    assert records.get(job.id).failure == Failure("InvalidInput", "data", "empty")
    resumed = records.resume(job.id)
    assert (resumed.state, resumed.failure) == ("queued", None)
    records.take("w", LEASE_S)
    records.end(job.id, "w", "succeeded", result={"version": "v"})
    with pytest.raises(FailedPrecondition, match="is succeeded"):
        records.resume(job.id)


def test_only_what_ended_is_forgotten(records: JobRecords) -> None:
    job = records.add(ORDER)
    with pytest.raises(FailedPrecondition, match="still runs; cancel it first"):
        records.forget(job.id)
    records.cancel(job.id)
    records.forget(job.id)
    with pytest.raises(NotFound, match=f"no training named 'operations/{job.id}'"):
        records.get(job.id)


def test_no_more_wait_than_stated(records: JobRecords) -> None:
    for _ in range(jobs_module.MOST_OPEN):
        records.add(ORDER)
    with pytest.raises(LimitExceeded, match="16 trainings wait already; try later"):
        records.add(ORDER)


def test_the_oldest_are_forgotten(records: JobRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that have ended, once there are too many."""
    monkeypatch.setattr(jobs_module, "MOST_KEPT", 3)
    ids = []
    for _ in range(6):
        ids.append(records.add(ORDER).id)
        records.cancel(ids[-1])
    assert [job.id for job in records.all()] == ids[-4:]


def test_problems_are_kept_and_counted(records: JobRecords) -> None:
    job = records.add(ORDER)
    records.take("w", LEASE_S)
    records.note(job.id, "w", [Problem(f"{n}.wav", "too short") for n in range(2000)])
    records.note(job.id, "w", budget_steps=700)
    told = records.get(job.id)
    assert (len(told.problems), told.problem_count, told.budget_steps) == (1000, 2000, 700)
    assert told.problems[0] == Problem("0.wav", "too short")


def test_the_last_comparison_of_a_pair_counts(database: Database) -> None:
    comparisons = ComparisonRecords(database)
    figure = {
        **{"label": "a", "figure": "miss_rate", "candidate": 0.5, "baseline": 0.1},
        **{"difference_low": 0.2, "difference_high": 0.6, "worse": True},
    }
    comparisons.add("v2", "v1", {"data_set": "d", "worse": True, "figures": [figure]})
    assert comparisons.objection("v2", "v1") == (
        "miss_rate of a 0.5, there 0.1 (difference 0.2 to 0.6)"
    )
    assert comparisons.objection("v1", "v2") == ""
    comparisons.add("v2", "v1", {"data_set": "d", "worse": False, "figures": []})
    assert comparisons.objection("v2", "v1") == ""


def revisions() -> list[str]:
    script = ScriptDirectory(str(MIGRATIONS))
    return [each.revision for each in script.walk_revisions()][::-1]


@pytest.mark.parametrize("revision", revisions())
def test_every_release_is_brought_up_to_date(tmp_path: Path, revision: str) -> None:
    """With its jobs kept; the result is what the tables say."""
    url = f"sqlite:///{tmp_path / 'records.sqlite'}"
    Database(url, migrate_to=revision).close()
    with sqlite3.connect(tmp_path / "records.sqlite") as old:
        columns = [row[1] for row in old.execute("PRAGMA table_info(jobs)") if row[3]]
        values = {**dict.fromkeys(columns, 0), "id": "kept", "state": "failed", "furthest": "{}"}
        values |= {"log": "", "owner": "", '"order"': '{"kind": "image", "model": "detectors/a"'}
        values['"order"'] += ', "data": "/d", "labels": []}'
        values.pop("order")
        names, places = ", ".join(values), ", ".join("?" * len(values))
        old.execute(f"INSERT INTO jobs ({names}) VALUES ({places})", list(values.values()))
    old.close()

    database = Database(url)

    assert [job.id for job in JobRecords(database).all()] == ["kept"]
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    database.close()


def test_a_newer_releases_records_are_refused(tmp_path: Path) -> None:
    Database.in_folder(tmp_path).close()
    with sqlite3.connect(tmp_path / "records.sqlite") as records:
        records.execute("UPDATE alembic_version SET version_num = 'from the future'")
    records.close()
    with pytest.raises(FailedPrecondition, match="records: a newer sweepnet wrote them"):
        Database.in_folder(tmp_path)


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """Though it would mean something in a URL."""
    folder = tmp_path / "a?b=c#d%20e"
    Database.in_folder(folder).close()
    assert [path.name for path in folder.iterdir()] == ["records.sqlite"]


@pytest.mark.parametrize("url", ["nothing", "oracle9://x", ""])
def test_a_wrong_address_is_told_of(url: str) -> None:
    with pytest.raises(InvalidInput, match="records: not the address of a database"):
        Database(url)


def test_a_database_that_cannot_be_opened_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "records.sqlite").write_bytes(b"this is no database, but it is long enough" * 99)
    with pytest.raises(FailedPrecondition, match="the database refused: file is not a database"):
        Database.in_folder(tmp_path)
    with pytest.raises(FailedPrecondition, match="unable to open"):
        Database("sqlite:////no/such/folder/records.sqlite")


def test_the_database_keeps_its_promises(database: Database) -> None:
    """WAL, foreign keys, and a transaction that failed leaves nothing."""
    with database.reading() as connection:
        pragma = connection.exec_driver_sql
        assert pragma("PRAGMA journal_mode").scalar() == "wal"
        assert pragma("PRAGMA foreign_keys").scalar() == 1

    def half_wrong() -> None:
        with database.begin() as connection:
            connection.exec_driver_sql("INSERT INTO data_sets VALUES ('datasets/a', 0, 0, '')")
            connection.exec_driver_sql("INSERT INTO data_files VALUES ('datasets/b', 'p', 1, '')")

    with pytest.raises(FailedPrecondition, match="FOREIGN KEY"):
        half_wrong()
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM data_sets").scalar() == 0
