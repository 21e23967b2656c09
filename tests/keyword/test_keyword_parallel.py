"""Work on all cores: results in order, bits that depend on the seed and not on the workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.augment import Augment
from sweepnet_service.detectors.keyword.bank import augmented
from sweepnet_service.detectors.keyword.dataset import Recording, Spoken
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.parallel import AHEAD, in_order
from sweepnet_service.progress import Progress, paced, timed


def spoken(murmur: Array, count: int) -> list[Spoken]:
    row = Recording(Path("x"), 0.0, None, "train", "", "", "", "", word_s=(0.2, 0.7))
    return [(row, murmur[1_000 * index : 1_000 * index + 16_000]) for index in range(count)]


def test_the_whole_chain_is_the_same_for_any_number_of_workers(murmur: Array) -> None:
    """Every kind of change is drawn by recording, so no worker's speed can move it."""
    room = np.exp(-np.arange(2_000) / 300).astype(np.float32)
    everything = Augment(
        rooms=[room], tempo_share=0.7, room_share=0.5, clipping_share=0.5, codec_share=0.6
    )
    rows = spoken(murmur, 16)
    found = [list(augmented(rows, everything, 4, LogMel(), workers)) for workers in (1, 2, 5)]
    for others in found[1:]:
        for (frames, word), (same, same_word) in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(frames, same)
            assert word == same_word
    other_seed = list(augmented(rows, everything, 5, LogMel(), 1))
    assert any(len(a[0]) != len(b[0]) for a, b in zip(found[0], other_seed, strict=True))


def test_results_come_in_the_order_of_the_items() -> None:
    gate = threading.Event()

    def slow_first(item: int) -> int:
        if item == 0:
            gate.wait(5)
        if item == 1:
            gate.set()
        return item

    assert list(in_order(slow_first, range(20), workers=2)) == list(range(20))


def test_no_more_than_a_few_items_are_read_ahead() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1_000):
            read.append(item)
            yield item

    results = in_order(lambda item: item, items(), workers=2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert len(read) <= 2 * AHEAD


def test_the_first_error_ends_the_work() -> None:
    def fails(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(in_order(fails, range(10), workers=2))
    assert threading.active_count() < 10


def test_progress_tells_the_end_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0.0, 100.0, 1.0).tolist())
    monkeypatch.setattr("sweepnet_service.progress.time.monotonic", lambda: next(clock))
    told: list[Progress] = []
    tell = paced("stage", 4, told.append)
    for done in range(1, 5):
        tell(done)
    assert [(each.done, each.seconds_left) for each in told] == [
        (1, 3.0),
        (2, 2.0),
        (3, 1.0),
        (4, 0.0),
    ]


def test_stages_that_tell_no_time_left_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 15.0, 16.0])
    monkeypatch.setattr("sweepnet_service.progress.time.monotonic", lambda: next(clock))
    told: list[Progress] = []
    tell = timed(told.append)
    tell(Progress("head", 100, 300))
    tell(Progress("head", 200, 300))
    tell(Progress("head", 300, 300))
    tell(Progress("tuning", 0, 2, 7.0))
    assert [each.seconds_left for each in told] == [None, 10.0, 0.0, 7.0]
