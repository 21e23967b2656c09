"""What endless audio rests on: what is sent again, and how long a server is waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepnet import (
    Gap,
    Listening,
    OpenedDetector,
    ServerUnavailable,
    SpotOpened,
    SpotUpdate,
    _retrying,
)
from sweepnet._outages import Outage
from sweepnet._resuming import Tape
from sweepnet.errors import LimitExceeded, NotFound

RATE_HZ = 16_000


class Dying:
    """A stream of a server that dies of what it is sent, each time after the same reply."""

    opened = SpotOpened(RATE_HZ, 1, (0,), (OpenedDetector("tiny", ("one",), {}, 0.3, 0.03),))

    def __enter__(self) -> Dying:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[SpotUpdate]:
        yield SpotUpdate(1_280, 0.08, ())
        raise ServerUnavailable("died")


def test_a_server_that_dies_of_the_same_audio_is_given_up() -> None:
    """Its replies to what it heard before are no sign of life."""
    listening = Listening(lambda *_: cast("Any", Dying()), [], {}, patience_s=0.5)
    told: list[SpotUpdate] = []
    with pytest.raises(ServerUnavailable, match="died"):
        told.extend(listening)
    assert len(told) == 1
    assert listening.reconnections >= 2


@given(
    st.lists(st.one_of(st.integers(0, 50), st.integers(1, 30).map(Gap)), max_size=12),
    st.integers(0, 300),
    st.integers(1, 7),
    st.integers(0, 60),
)
@settings(max_examples=300, deadline=None)
def test_a_tape_goes_on_at_the_right_sample(
    pieces: list[Any], wanted: int, grid: int, zero: int
) -> None:
    """Law: what is sent from a place on is what was recorded from its sample on, and the place is
    the last one that lies on the grid of the windows, or the tape's first."""
    tape, at, whole = Tape({"start_sample": zero}), zero, dict[int, bytes]()
    for piece in pieces:
        if isinstance(piece, Gap):
            tape.add(piece)
            at += piece.sample_count
            continue
        samples = [(at + n).to_bytes(2, "little") for n in range(piece)]
        tape.add(b"".join(samples))
        whole |= {at + n: sample for n, sample in enumerate(samples)}
        at += piece

    place = tape.place(wanted, grid)

    assert place.sample >= zero
    sent, number, skip, now = dict[int, bytes](), place.number, place.skip_bytes, place.sample
    while (chunk := tape.chunk(number)) is not None:
        if isinstance(chunk, Gap):
            now += chunk.sample_count
        else:
            for n in range(skip, len(chunk), 2):
                sent[now] = chunk[n : n + 2]
                now += 1
        number, skip = number + 1, 0
    assert now == at
    assert sent == {n: sample for n, sample in whole.items() if n >= place.sample}
    ends = [zero, *(n + 1 for n in range(zero, at) if n not in whole and n + 1 in {*whole, at})]
    origin = max(each for each in ends if each <= place.sample)
    assert place.sample == at or (place.sample - origin) % grid == 0
    tape.forget(wanted, grid)
    assert tape.place(wanted, grid) == place
    assert place.sample <= max(wanted, zero) or place.sample - 1 not in whole


def test_an_outage_has_an_end() -> None:
    outage, away = Outage(10), ServerUnavailable("away")
    assert 0 < outage.pause_s(away, 100) <= 0.1
    assert outage.pause_s(LimitExceeded("full", retry_after_s=3), 101) == 3
    with pytest.raises(ServerUnavailable):
        outage.pause_s(away, 110)
    outage.over()
    assert outage.pause_s(away, 110) <= 0.1
    with pytest.raises(NotFound):
        outage.pause_s(NotFound("nothing"), 110)


def test_only_calls_that_may_succeed_later_are_repeated() -> None:
    """And not for longer than asked; a server's own word for when counts."""
    waits: list[float] = []

    def work(*errors: Exception) -> Callable[[], str]:
        coming = iter(errors)

        def call() -> str:
            for error in coming:
                raise error
            return "done"

        return call

    away, full = ServerUnavailable("away"), LimitExceeded("full", retry_after_s=0.7)
    assert _retrying.repeated(work(away, full, away), 60, waits.append) == "done"
    assert 0.05 <= waits[0] <= 0.1
    assert waits[1] == 0.7
    assert 0.2 <= waits[2] <= 0.4
    with pytest.raises(LimitExceeded, match="large"):
        _retrying.repeated(work(LimitExceeded("large")), 60, waits.append)
    with pytest.raises(ServerUnavailable):
        _retrying.repeated(work(away), 0, waits.append)
    assert len(waits) == 3
