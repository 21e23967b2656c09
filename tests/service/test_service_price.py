"""What an update without news is, and what a step's price is told by."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from sweepnet_service.live.replies import News
from sweepnet_service.server import convert


def test_an_update_of_nothing_is_an_update_all_the_same() -> None:
    """A client tells by it that it is heard."""
    told = convert.spot_reply(News(0, ()))
    assert told.HasField("update")
    assert not told.update.channels


@pytest.mark.parametrize("events_only", [False, True])
def test_the_price_of_a_step_is_that_of_streams_as_they_come(events_only: bool) -> None:
    tool = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/load/step.py"))
    streams = tool["opened"](3, 2, events_only)
    (price_s, *_) = tool["rounds_s"](streams, 2, 0.01)
    assert price_s > 0
    assert [stream.read_until % 160 for stream in streams] == [0, 0, 0]
    assert len({stream.read_until for stream in streams}) == 3
