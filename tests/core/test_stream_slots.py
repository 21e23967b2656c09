"""Where tails lie: rows are written by one stream each, whatever others lie between them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.arrays import Array
from cnn_core.errors import CoreError
from cnn_core.layers import Conv1d, Identity, Layer, MaxPool, Relu, Sequential, Sum
from cnn_core.layers.chunks import Chunk, cut
from cnn_core.layers.tail import Tail
from cnn_core.slots import Slots
from cnn_core.stream import StreamBatch, open_stream

RNG = np.random.default_rng(5)
NET = Sequential((Conv1d.create(RNG, 2, 3, 3), Relu(), MaxPool.create(2, stride=1)))
NET_OF_ONE = Conv1d.create(RNG, 1, 1, 3)
FILL = -9.0


@given(st.data(), st.integers(1, 5), st.integers(1, 6), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_every_stream_is_cut_at_its_own_place(
    data: st.DataObject, streams: int, room: int, length: int
) -> None:
    length = min(length, room)
    places = st.lists(st.integers(0, room - length), min_size=streams, max_size=streams)
    offsets = np.array(data.draw(places))
    seen = np.arange(streams * room * 2.0).reshape(streams, room, 2)
    expected = [row[at : at + length] for row, at in zip(seen, offsets, strict=True)]
    np.testing.assert_array_equal(cut(seen, offsets, length), expected)


@given(st.data(), st.integers(0, 4), st.integers(0, 5), st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_a_tail_gives_back_what_each_stream_has_had(
    data: st.DataObject, past: int, spare: int, seed: int
) -> None:
    """Any rows in any order, chunks that fit and longer ones, with filler behind short ones; the
    state of one stream, moved to another row, goes on as if it had lain there."""
    rng = np.random.default_rng(seed)
    tail = Tail(past, spare, 2, np.dtype(np.float64), fill=FILL)
    tail.grow(4)
    had = [np.full((past, 2), FILL) for _ in range(4)]
    for _ in range(6):
        rows = np.array(data.draw(st.lists(st.integers(0, 3), min_size=1, unique=True)))
        counts = rng.integers(0, spare + 4, len(rows))
        x = rng.standard_normal((len(rows), counts.max(), 2))
        for row, new, count in zip(rows, x, counts, strict=True):
            had[row] = np.concatenate((had[row], new[:count]))
        length = int(rng.integers(0, past + counts.min() + 1))
        first = counts - length - rng.integers(0, past + counts.min() - length + 1)
        agree = len({*first}) == 1
        seen = tail.through(Chunk(x, 0, counts, rows), int(first[0]) if agree else first, length)
        for row, own, at, count in zip(rows, seen, first, counts, strict=True):
            begin = len(had[row]) - count + at
            np.testing.assert_array_equal(own, had[row][begin : begin + length])
        for row in range(4):
            np.testing.assert_array_equal(
                tail.last(np.array([row]))[0], had[row][len(had[row]) - past :]
            )
        one, other = rng.integers(0, 4, 2)
        if rng.random() < 0.5:
            tail.copy(one, other)
        else:
            tail.put(np.array([other]), tail.last(np.array([one])))
        had[other] = had[one]


def test_what_one_stream_leaves_is_nothing_to_the_next() -> None:
    """A row that is claimed anew holds silence; what was saved is a copy."""
    slots = Slots(NET, 2, np.dtype(np.float64))
    fresh = slots.saved(slots.claim())
    ones = {name: np.ones_like(tail) for name, tail in fresh.items()}
    row = slots.claim(ones)
    for tail in ones.values():
        tail *= 9
    assert all((tail == 1).all() for tail in slots.saved(row).values())
    del row
    for name, tail in slots.saved(slots.claim()).items():
        np.testing.assert_array_equal(tail, fresh[name])


@pytest.mark.parametrize(
    "beside", [Conv1d.create(RNG, 2, 2, 3, dilation=2), MaxPool.create(5, stride=1)]
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_skip_reads_what_the_branch_beside_it_keeps(beside: Layer, turned: bool) -> None:
    """Before that takes the chunk in, whichever comes first; chunks of any length."""
    branches = (Identity(), Sequential((beside, Relu())))
    net = Sum(branches[::-1] if turned else branches)
    slots = Slots(net, 2, np.dtype(np.float64))
    kept = slots.saved(slots.claim())
    assert sum(tail.size for tail in kept.values()) == 4 * 2
    x = RNG.standard_normal((60, 2))
    stream = open_stream(net)
    chunks = np.split(x, np.cumsum([1, 2, 0, 7, 1, 30, 3]))
    scores = np.concatenate([stream.step(chunk).scores for chunk in chunks])
    np.testing.assert_allclose(scores, net.forward(x[None])[0], rtol=1e-12)


def test_streams_that_have_run_for_long_stand_where_others_do() -> None:
    """Not where they have run for less than a window, nor between two of them."""
    batch = StreamBatch(Sequential((Conv1d.create(RNG, 1, 1, 4, stride=3), NET_OF_ONE)))
    runs = np.array([0, 5, 10, 11, 12, 13, 10_000])
    np.testing.assert_array_equal(batch._alike(runs), [0, 5, 10, 11, 12, 10, 10])


def test_a_step_that_is_broken_off_ends_its_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of their tails have moved, others have not; streams beside them go on."""
    batch = StreamBatch(NET)
    broken, beside = batch.open(), batch.open()
    batch.step({broken: np.ones((4, 2)), beside: np.ones((4, 2))})
    with monkeypatch.context() as patched:
        patched.setattr(Relu, "forward", _without_memory)
        with pytest.raises(MemoryError):
            broken.step(np.ones((4, 2)))
    with pytest.raises(CoreError, match="the stream is finished"):
        broken.step(np.ones((4, 2)))
    heard = beside.step(np.ones((4, 2)))
    np.testing.assert_allclose(heard.scores, NET.forward(np.ones((1, 8, 2)))[0, -4:])


def _without_memory(layer: Relu, x: Array) -> Array:
    raise MemoryError
