"""Where tails lie: rows are taken and put back one by one, whatever others lie between them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.layers import Conv1d, MaxPool, Relu, Sequential
from cnn_core.layers.chunks import cut, kept
from cnn_core.slots import Slots
from cnn_core.tree import arrays, tree_map

RNG = np.random.default_rng(5)
NET = Sequential((Conv1d.create(RNG, 2, 3, 3), Relu(), MaxPool.create(2, stride=1)))


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
    np.testing.assert_array_equal(kept(seen, offsets, length), expected)


@given(st.lists(st.booleans(), min_size=7, max_size=7).filter(any))
@settings(max_examples=40, deadline=None)
def test_rows_that_are_put_leave_the_others_as_they_are(chosen: list[bool]) -> None:
    """Rows that follow each other and rows with gaps between them alike."""
    slots = Slots(NET, 2, np.dtype(np.float64))
    rows = sorted((slots.claim() for _ in chosen), key=lambda row: row.number)
    before = [arrays(slots.take([row]))[0].copy() for row in rows]
    some = [row for row, is_chosen in zip(rows, chosen, strict=True) if is_chosen]
    slots.put(some, tree_map(lambda tail: tail + 1, slots.take(some)))
    for row, tail, is_chosen in zip(rows, before, chosen, strict=True):
        np.testing.assert_array_equal(arrays(slots.take([row]))[0], tail + is_chosen)


def test_what_one_stream_leaves_is_nothing_to_the_next() -> None:
    """A row that is claimed anew holds silence, and what was put is the slots' own copy."""
    slots = Slots(NET, 2, np.dtype(np.float64))
    row = slots.claim()
    ones = tree_map(np.ones_like, slots.take([row]))
    slots.put([row], ones)
    tree_map(lambda tail: np.multiply(tail, 9, out=tail), ones)
    assert all((tail == 1).all() for tail in arrays(slots.take([row])))
    del row
    fresh = arrays(NET.tails((1, 0, 2), np.dtype(np.float64)))
    for tail, expected in zip(arrays(slots.take([slots.claim()])), fresh, strict=True):
        np.testing.assert_array_equal(tail, expected)
