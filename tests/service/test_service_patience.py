"""An alarm for a task that waits often: it rings for the wait that is too long, and no other."""

from __future__ import annotations

import asyncio

import pytest

from sweepnet_service.server.patience import Alarm


def test_a_wait_that_is_too_long_ends_and_the_next_one_is_its_own() -> None:
    async def scene() -> None:
        alarm = Alarm()
        for _ in range(2):
            with pytest.raises(TimeoutError), alarm.after(0.01):
                await asyncio.sleep(5)
        with alarm.after(0.01):
            await asyncio.sleep(0)
        await asyncio.sleep(0.03)
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]

    asyncio.run(asyncio.wait_for(scene(), 5))


def test_short_waits_in_a_row_may_last_longer_together() -> None:
    """The timer was set for the first of them."""

    async def scene() -> int:
        alarm, waits = Alarm(), 0
        for _ in range(30):
            with alarm.after(0.5):
                await asyncio.sleep(0.03)
            waits += 1
        alarm.close()
        return waits

    assert asyncio.run(scene()) == 30


def test_a_shorter_wait_behind_a_longer_one_rings_in_time() -> None:
    async def scene() -> None:
        alarm = Alarm()
        with alarm.after(60):
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError), alarm.after(0.01):
            await asyncio.sleep(5)

    asyncio.run(asyncio.wait_for(scene(), 5))


def test_who_is_cancelled_by_another_stays_cancelled() -> None:
    async def waiting(alarm_set: asyncio.Event) -> None:
        with Alarm().after(5):
            alarm_set.set()
            await asyncio.sleep(5)

    async def scene() -> None:
        alarm_set = asyncio.Event()
        task = asyncio.create_task(waiting(alarm_set))
        await alarm_set.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(scene(), 5))
