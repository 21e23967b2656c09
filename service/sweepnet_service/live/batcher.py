"""Due pieces of all live streams, scored in one step by one thread.

    news = await batcher.news(stream, step)

While a step runs, pieces gather; the next one takes them all, up to what keeps it short. So a
quiet server answers at once, and a busy one does the most for each product of matrices. A piece
that fails ends its own stream: nothing of others depends on it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from sweepnet_service import metrics
from sweepnet_service.errors import Unavailable
from sweepnet_service.live.lane import Parts, told
from sweepnet_service.live.load import Load
from sweepnet_service.live.replies import ChannelNews, News
from sweepnet_service.live.stream import SpotStream, Step

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword import KeywordDetector, SpotBatch

INTERVAL_S = 0.03
"""Steps of a busy server begin at least so far apart, so that pieces gather."""
BUSY = 16
"""Streams heard within a second from which on a server is busy."""
MOST_HEARD_S = 24.0
"""Audio of one step, all sessions together: the rest waits for the next, so that steps stay short.
Not a time: what a second of audio takes falls with the number of streams, and a slow machine that
took fewer of them would fall behind for ever."""
LEAST_S = 0.05


@dataclass(eq=False)
class Work:
    """One step of one stream, and who waits for its news."""

    stream: SpotStream
    step: Step
    answer: asyncio.Future[News]
    since: float
    told: list[ChannelNews] = field(default_factory=list)
    news: News | None = None
    error: Exception | None = None

    @property
    def heard_s(self) -> float:
        """Seconds of audio, all sessions together, and a little for work that holds none."""
        return self.step.lane_frames / self.stream.request.rate_hz + LEAST_S


class Batcher:
    """One thread for all live streams."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self._batches: WeakValueDictionary[int, SpotBatch] = WeakValueDictionary()
        self._opening = threading.Lock()
        self._waiting: deque[Work] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="batcher", daemon=True)
        self._thread.start()

    def batch_of(self, detector: KeywordDetector) -> SpotBatch:
        """The sessions of a detector that are stepped together; it lasts as long as they do."""
        from sweepnet_service.detectors.keyword import SpotBatch

        with self._opening:
            batch = self._batches.get(id(detector))
            if batch is None:
                batch = self._batches[id(detector)] = SpotBatch(detector)
            return batch

    async def news(self, stream: SpotStream, step: Step) -> News:
        """What the step brings. A step that has not begun when its caller goes is left out.

        Raises Unavailable once the batcher is closed.
        """
        answer: asyncio.Future[News] = asyncio.get_running_loop().create_future()
        with self._wake:
            if self._closed:
                raise _ended()
            self._waiting.append(Work(stream, step, answer, time.monotonic()))
            self._wake.notify()
        return await answer

    @property
    def waiting(self) -> int:
        """Pieces that have come and are not being scored yet."""
        return len(self._waiting)

    def close(self) -> None:
        """Begin no more steps; one under way ends by itself."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def _serve(self) -> None:
        begun = 0.0
        while not self._closed:
            begun = self._round(begun)
        for work in self._waiting:
            work.error = _ended()
        answer(self._waiting, self.load)

    def _round(self, before: float) -> float:
        """One step, when there is something to do; when it began. It keeps nothing of it."""
        works = self._taken(before)
        begun = time.monotonic()
        try:
            score(works)
            self._note(works, begun, time.monotonic())
        except Exception as error:  # whatever happens, nobody waits for ever
            for work in works:
                work.news, work.error = None, error
        answer(works, self.load)
        return begun

    def _taken(self, begun: float) -> list[Work]:
        """The works of the next step, in the order in which they came."""
        with self._wake:
            while not (self._waiting or self._closed):
                self._wake.wait()
        active = self.load.active
        if active >= BUSY and len(self._waiting) < active / 2:
            time.sleep(max(0.0, begun + INTERVAL_S - time.monotonic()))
        works: list[Work] = []
        with self._wake:
            room = MOST_HEARD_S
            while self._waiting and (room > 0 or not works):
                work = self._waiting.popleft()
                if not work.answer.cancelled():
                    works.append(work)
                    room -= work.heard_s
        return works

    def _note(self, works: Sequence[Work], begun: float, ended: float) -> None:
        """How long pieces waited and how long the step took, for admission and metrics."""
        if not works:
            return
        names = (id(work.stream.request) for work in works)
        waits = (ended - work.since for work in works)
        audio_s = sum(work.step.lane_frames / work.stream.request.rate_hz for work in works)
        self.load.heard(names, waits, audio_s, ended - begun)
        metrics.STEP_S.observe(ended - begun)
        metrics.STEP_PIECES.observe(len(works))
        for work in works:
            metrics.QUEUE_S.observe(begun - work.since)


def _ended() -> Unavailable:
    return Unavailable("server", "it ends now; try another")


def score(works: Collection[Work]) -> None:
    """Gives each work its news or its error."""
    parts = [(work, part) for work in works for part in _begun(work)]
    news = told([part for _, part in parts])
    for (work, _), each in zip(parts, news, strict=True):
        if isinstance(each, Exception):
            work.error = work.error or each
        else:
            work.told.append(each)
    for work in works:
        _conclude(work)


def answer(works: Iterable[Work], load: Load) -> None:
    """Wakes those who wait, each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Work]] = {}
    for work in works:
        by_loop.setdefault(work.answer.get_loop(), []).append(work)
    for loop, ended in by_loop.items():
        with suppress(RuntimeError):  # the loop may have ended before its works
            loop.call_soon_threadsafe(_deliver, ended, load, time.monotonic())


def _begun(work: Work) -> Parts:
    try:
        return work.step.begin()
    except Exception as error:
        work.error = error
        return ()


def _conclude(work: Work) -> None:
    if work.error is None:
        try:
            work.news = work.stream.news(work.told, work.step.urgent)
        except Exception as error:
            work.error = error


def _deliver(works: Iterable[Work], load: Load, since: float) -> None:
    """In the loop's own thread; callers that went meanwhile are told nothing."""
    load.told(time.monotonic() - since)
    for work in works:
        if work.answer.done():
            continue
        if work.news is not None:
            work.answer.set_result(work.news)
        else:
            work.answer.set_exception(work.error or RuntimeError("a step without news"))
