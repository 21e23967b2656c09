"""One order, and the job that a worker makes of it with a training process of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from sweepnet_service.records.jobs import JobRecords
from sweepnet_service.training import worker
from sweepnet_service.training.order import Job, Order
from sweepnet_service.training.process import Told
from sweepnet_service.training.worker import Workplace

NAME = "detectors/a"

Child = Callable[..., AsyncGenerator[Told, None]]


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
