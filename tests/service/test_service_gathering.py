"""How long pieces of live streams gather before a step, and what a step's price is told by."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from sweepnet_service.live.batcher import BUSY, LONGEST_INTERVAL_S, apart_s
from sweepnet_service.live.load import Load
from sweepnet_service.live.replies import News
from sweepnet_service.server import convert
from sweepnet_service.server.settings import Settings


def test_the_more_sessions_the_more_pieces_gather() -> None:
    """A few are answered at once, and the most leave room in the latency that is promised."""
    apart = [apart_s(sessions) for sessions in range(300)]
    assert apart[:BUSY] == [0.0] * BUSY
    assert apart == sorted(apart)
    assert apart[-1] == LONGEST_INTERVAL_S
    most_ms: float = Settings.model_fields["max_latency_ms"].default
    assert most_ms > 1000 * LONGEST_INTERVAL_S


def test_channels_of_one_call_count_each() -> None:
    load = Load(1.0)
    load.admit("wide", 16)
    load.admit("narrow")
    load.heard(["wide", "narrow"], [0.01, 0.01])
    assert (load.active, load.sessions) == (2, 17)


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
