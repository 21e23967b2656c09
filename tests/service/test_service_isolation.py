"""What one stream or one detector cannot do is no matter of the others in its step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cnn_core.arrays import Array
from cnn_core.errors import CoreError
from cnn_core.layers import Conv1d, Sequential
from sweepnet_service.detectors.keyword import (
    KeywordDetector,
    SpotBatch,
    SpotSession,
)
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.live.batcher import Work, score
from sweepnet_service.live.request import SpotRequest
from sweepnet_service.live.stream import SpotStream

from .conftest import tiny_keyword

RATE_HZ = 16_000
LOUD: Array = (8 * np.sin(2 * np.pi * 1_000 / RATE_HZ * np.arange(RATE_HZ))).astype(np.float32)


def work_on(detector: KeywordDetector, batch: SpotBatch, data: bytes) -> Work:
    """One step of a stream of its own, for which nobody waits."""
    request = SpotRequest(encoding="FLOAT32", rate_hz=RATE_HZ, channel_count=1)
    stream = SpotStream(request, [("detectors/tiny", detector)], lambda _: batch)
    return Work(stream, next(stream.steps(data)), None, 0.0)  # type: ignore[arg-type]


def test_a_fault_of_one_detector_ends_no_streams_of_another(
    noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    detectors = [tiny_keyword(), tiny_keyword()]
    batches = [SpotBatch(each) for each in detectors]

    def broken(pieces: Sequence[Any]) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(batches[0], "step", broken)
    works = [
        work_on(*each, noise[:8_000, 0].tobytes()) for each in zip(detectors, batches, strict=True)
    ]
    score(works)

    assert isinstance(works[0].error, MemoryError)
    assert works[1].error is None
    assert works[1].news is not None
    assert works[1].news.channels[0].update.windows


def overflowing() -> KeywordDetector:
    """A detector whose scores are no numbers where audio is loud, and are elsewhere."""
    detector = tiny_keyword()
    assert isinstance(detector.net, Sequential)
    first, relu, last, answer = detector.net.layers
    assert isinstance(first, Conv1d)
    assert isinstance(last, Conv1d)
    weight = np.zeros_like(first.weight)
    band = int(np.argmax(LogMel().energy(LOUD)[0]))
    weight[0, band, :2] = 1.2e38
    mixed = np.zeros_like(last.weight)
    mixed[0, :2] = np.array([[1.0], [-1.0]])
    layers = (replace(first, weight=weight), relu, replace(last, weight=mixed), answer)
    return replace(detector, net=Sequential(layers))


def test_scores_that_are_no_numbers_end_their_own_session_only() -> None:
    detector = overflowing()
    quiet: Array = np.zeros(16_000, np.float32)
    batch = SpotBatch(detector)
    sessions = [SpotSession(detector, RATE_HZ, batch=batch) for _ in range(3)]
    signals = (quiet, LOUD, quiet)
    with np.errstate(all="ignore"):
        told = batch.step([s.piece(x) for s, x in zip(sessions, signals, strict=True)])

    assert isinstance(told[1], CoreError)
    assert "for this audio" in str(told[1])
    alone = SpotSession(detector, RATE_HZ).push(quiet)
    assert alone.windows
    assert told[0] == told[2] == alone
