"""Endless streams go over to a newer version: when, to what, and whether that can be.

A stream keeps the version that it began with. Where another one took its name, streams that last go
over some time later, each at a moment of its own, so that they do not all cost twice at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from sweepnet_service.errors import SweepnetError
from sweepnet_service.live.ear import open_session
from sweepnet_service.live.request import SpotRequest

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword import KeywordDetector, SpotBatch

log = structlog.get_logger("sweepnet")
EARLIEST = 0.5
"""Share of the time after which the first streams go over."""


@dataclass(frozen=True)
class Succession:
    """`current` tells what a name means now, None where that cannot be heard with; `after_s`: how
    long a stream keeps what its name meant before.
    """

    current: Callable[[str], KeywordDetector | None]
    batch_of: Callable[[KeywordDetector], SpotBatch]
    after_s: float

    def of(self, name: str) -> Newer:
        """For one session of a stream."""
        return Newer(self, name)


class Newer:
    """What a session that hears with one detector is to go over to, once it is time."""

    def __init__(self, succession: Succession, name: str) -> None:
        self._succession, self._name = succession, name
        self._due_s: float | None = None
        self._fit: KeywordDetector | None = None
        self._unfit: KeywordDetector | None = None

    def than(
        self, heard: KeywordDetector, stream: SpotRequest, wanted: Collection[str]
    ) -> KeywordDetector | None:
        """Another detector that is due; None while there is none, or none that tells the same."""
        now = self._succession.current(self._name)
        if now is None or now is heard or now is self._unfit:
            self._due_s = None
            return None
        if self._due_s is None:
            wait_s = self._succession.after_s * random.uniform(EARLIEST, 1)
            self._due_s = time.monotonic() + wait_s
        if time.monotonic() < self._due_s:
            return None
        if now is not self._fit:
            if not fits(now, stream, wanted):
                self._unfit = now
                return None
            self._fit = now
        return now

    def refuse(self, detector: KeywordDetector, error: Exception) -> None:
        """Never go over to that one, which failed at what this session hears."""
        log.warning("no hand-over", detector=self._name, reason=str(error))
        self._unfit = detector

    def batch(self, detector: KeywordDetector) -> SpotBatch:
        """The sessions that are stepped with that one's."""
        return self._succession.batch_of(detector)


def fits(detector: KeywordDetector, stream: SpotRequest, wanted: Collection[str]) -> bool:
    """Whether it finds all labels that the stream was promised, with the settings it asked for."""
    try:
        open_session(detector, stream)
    except SweepnetError:
        return False
    return set(wanted) <= set(detector.labels)
