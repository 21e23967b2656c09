"""What jobs leave: results that stay as they were, told without loading a model, and no rubbish."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from sweepnet_protos.v1 import trainer_pb2
from sweepnet_service.records.jobs import JobRecords
from sweepnet_service.server import convert_jobs, trainer
from sweepnet_service.store import Library, publishing
from sweepnet_service.training import worker
from sweepnet_service.training.completing import completed
from sweepnet_service.training.jobs import Jobs
from sweepnet_service.training.keeping import Keeping
from sweepnet_service.training.order import Job
from sweepnet_service.training.process import Done
from sweepnet_service.training.worker import Workplace, locked

from .labour import NAME, Child, order, worked


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
