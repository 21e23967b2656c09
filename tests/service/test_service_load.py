"""How many live streams are let in: those there keep their latency."""

from __future__ import annotations

import pytest

from sweepnet_service.errors import Overloaded
from sweepnet_service.live.load import FEWEST, MOST_UNHEARD, Load


class Hands:
    """A clock that is moved by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_streams_are_refused_once_those_there_wait_too_long() -> None:
    """And let in again when they do not; a few streams never refuse one."""
    clock = Hands()
    load = Load(0.06, clock)
    load.heard(range(FEWEST - 1), [5.0] * (FEWEST - 1))
    load.admit("one more")
    clock.now_s += 10
    load.heard(range(100), [0.02976] * 1000)
    for number in range(102):
        load.admit(f"fresh {number}")
    with pytest.raises(Overloaded, match=r"wait 60 ms for .*--max-latency-ms"):
        load.admit("one too many")
    clock.now_s += 10
    load.admit("later")


def test_streams_are_refused_before_steps_take_all_the_time() -> None:
    """Steps take 5 ms and a hundredth of their audio: 40 sessions in 30 steps leave room for 5
    more; a stream of 6 channels is 6 of them.
    """
    clock = Hands()
    load = Load(0.06, clock)
    for number in range(40):
        load.admit(number)
    for _ in range(2):
        for step in range(30):
            audio_s = 4 / 3 + step % 3 - 1
            load.heard(range(40), [0.01] * 40, audio_s, 0.005 + 0.01 * audio_s)
        clock.now_s += 1.2
    load.admit("wide", 6)
    with pytest.raises(Overloaded, match=r"take 61% of the time"):
        load.admit("one too many")


def test_streams_of_which_a_part_is_heard_too_late_let_no_other_in() -> None:
    """Pieces that wait where nobody sees them show in how little of a second is heard; streams
    that pause take no time either.
    """
    for busy_s, refused in ((0.51, True), (0.1, False)):
        clock = Hands()
        load = Load(0.06, clock)
        load.heard(range(100), [0.01] * 100, audio_s=60.0, busy_s=busy_s)
        clock.now_s += 1.2
        load.heard(range(100), [0.01] * 100, audio_s=60.0, busy_s=busy_s)
        if refused:
            with pytest.raises(Overloaded, match=r"take|60% is heard in time"):
                load.admit("one more")
        else:
            load.admit("one more")


def test_what_is_told_late_counts_twice() -> None:
    """A loop that is behind with telling is behind with hearing."""
    load = Load(0.06, Hands())
    load.heard(range(FEWEST), [0.02] * FEWEST)
    load.told(0.019)
    load.admit("one more")
    load.told(0.025)
    with pytest.raises(Overloaded, match=r"wait \d\d\d ms"):
        load.admit("one too many")


def test_a_rush_of_streams_is_let_in_as_they_are_heard() -> None:
    """What they cost is not known before; those that end or are heard make room."""
    load = Load(0.06, Hands())
    for number in range(MOST_UNHEARD):
        load.admit(number)
    with pytest.raises(Overloaded, match="have just begun"):
        load.admit("one too many")
    load.heard([0], [0.001])
    load.gone(1)
    load.admit("a")
    load.admit("b")
    with pytest.raises(Overloaded):
        load.admit("c")
