"""The engine: detectors by name, and a bounded pool of threads that does the numeric work."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from sweepnet_service import metrics
from sweepnet_service.errors import (
    FailedPrecondition,
    InvalidInput,
    ModelUnreadable,
    Overloaded,
    shown,
)
from sweepnet_service.live.request import check_labels, require
from sweepnet_service.live.succession import Succession
from sweepnet_service.store import Library, reference
from sweepnet_service.store.entries import HEARING

if TYPE_CHECKING:
    from sweepnet_service.captures import Keeper
    from sweepnet_service.captures.hearing import Watch
    from sweepnet_service.detectors.image import Detections, ImageDetector
    from sweepnet_service.detectors.keyword import KeywordDetector, SpotBatch
    from sweepnet_service.store.entries import Detector

P = ParamSpec("P")
T = TypeVar("T")
MOST_DETECTORS = 32
MOST_BOXES = 10_000


@dataclass(frozen=True)
class DetectRequest:
    """What a client wants of pictures."""

    detectors: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    overlap_iou: float = 0.5
    max_boxes: int = 100
    score_map: bool = False
    explanations: bool = False
    region: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom of where to look, in pixels; None: everywhere."""
    tile: bool = False

    def __post_init__(self) -> None:
        require(0 < self.overlap_iou <= 1, "overlap_iou", self.overlap_iou, "0..1")
        require(0 < self.max_boxes <= MOST_BOXES, "max_boxes", self.max_boxes, f"1..{MOST_BOXES}")
        for label, threshold in self.thresholds.items():
            require(0 <= threshold <= 1, f"thresholds[{shown(label)}]", threshold, "0..1")


class Engine:
    """Immutable detectors shared by all requests; `run` keeps work off the event loop.

    What they are unsure of goes to the keeper, where there is one. Streams that last go over to
    newer versions within `hand_over_s`.
    """

    def __init__(
        self,
        library: Library,
        workers: int,
        most_waiting: int = 256,
        keeper: Keeper | None = None,
        hand_over_s: float = math.inf,
    ) -> None:
        self.library, self._most_waiting, self._keeper = library, most_waiting, keeper
        self._hand_over_s = hand_over_s
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="engine")
        self._jobs = 0

    def admit(self) -> None:
        """Raises Overloaded where so much work waits that one more call would wait too long."""
        if self._jobs >= self._most_waiting:
            with metrics.refused():
                raise Overloaded(
                    "server", f"{self._jobs} pieces of work wait already (--max-waiting); try later"
                )

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of work done in the pool; it waits its turn when the pool is busy.

        Cancelled, it still waits for work under way: nothing may be closed beneath a thread.
        """
        job = self._pool.submit(partial(timed, work, *args, **kwargs))
        self._jobs += 1
        metrics.WAITING.inc()
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            await _ended(job)
            raise
        finally:
            self._jobs -= 1
            metrics.WAITING.dec()

    def close(self) -> None:
        """Take no more work; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def keyword_detectors(self, names: Sequence[str]) -> list[tuple[str, KeywordDetector]]:
        """Keyword detectors of these names, or all of them."""
        found = self._loaded(names, "keyword")
        return [(name, cast("KeywordDetector", detector)) for name, detector in found]

    def image_detectors(self, names: Sequence[str]) -> list[tuple[str, ImageDetector]]:
        """Image detectors of these names, or all of them."""
        found = self._loaded(names, "image")
        return [(name, cast("ImageDetector", detector)) for name, detector in found]

    def watch(self) -> Watch | None:
        """What watches one stream for words nearly heard; None where none are kept."""
        if self._keeper is None:
            return None
        from sweepnet_service.captures.hearing import Watch

        return Watch(self._keeper)

    def succession(self, batch_of: Callable[[KeywordDetector], SpotBatch]) -> Succession:
        """How live streams go over to newer versions."""
        return Succession(self._heard_now, batch_of, self._hand_over_s)

    def _heard_now(self, name: str) -> KeywordDetector | None:
        entry = self.library.entries.get(name.partition("@")[0])
        hears = entry is not None and entry.kind in HEARING
        return cast("KeywordDetector | None", self.library.current(name)) if hears else None

    def detect(self, request: DetectRequest, picture: bytes) -> list[tuple[str, Detections]]:
        """What each detector finds in the bytes of one picture file."""
        from sweepnet_service.captures.seeing import seen
        from sweepnet_service.detectors.image import DetectOptions
        from sweepnet_service.detectors.image.region import detect_within

        detectors = self.image_detectors(request.detectors)
        check_labels(request.thresholds, {x for _, each in detectors for x in each.labels})
        found = []
        for name, detector in detectors:
            own = {k: v for k, v in request.thresholds.items() if k in detector.labels}
            options = DetectOptions(
                own,
                request.overlap_iou,
                request.max_boxes,
                request.score_map,
                request.explanations,
                request.tile,
            )
            look = partial(detector.detect, picture)
            if request.region is not None:
                look = partial(detect_within, detector, picture, request.region)
            if self._keeper is not None:
                found.append((name, seen(self._keeper, name, detector, options, look, picture)))
            else:
                found.append((name, look(options)))
            metrics.PICTURES.labels(name).inc()
            metrics.DETECTIONS.labels(name).inc(len(found[-1][1].boxes))
        return found

    def _loaded(self, names: Sequence[str], kind: str) -> list[tuple[str, Detector]]:
        """Detectors by name; where none was named, those that cannot be read are left out."""
        found: list[tuple[str, Detector]] = []
        for name in self._chosen(names, kind):
            try:
                found.append((name, self.library.load(name)))
            except ModelUnreadable:
                if names:
                    raise
        if not found:
            raise FailedPrecondition("detectors", f"this server can read no {kind} detector")
        return found

    def _chosen(self, names: Sequence[str], kind: str) -> Sequence[str]:
        if len(names) > MOST_DETECTORS or len(set(names)) < len(names):
            raise InvalidInput(
                "detectors",
                f"got {len(names)} names; expected at most {MOST_DETECTORS}, each one once",
            )
        for name in names:
            reference(name, "detectors")
            self._check_kind(name, kind)
        chosen = names or self.library.of_kind(kind)
        if not chosen:
            raise FailedPrecondition("detectors", f"this server holds no {kind} detector")
        return chosen

    def _check_kind(self, name: str, kind: str) -> None:
        entry = self.library.entry(name)
        alike = HEARING if kind in HEARING else (kind,)
        if entry.kind not in (*alike, ""):
            there = ", ".join(self.library.of_kind(kind)) or "none"
            raise InvalidInput(
                "detectors", f"{name} finds another kind; {kind} detectors here: {there}"
            )


def timed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the work gives; how long it took is counted."""
    with metrics.WORK_S.time():
        return work(*args, **kwargs)


async def _ended(job: Future[Any]) -> None:
    """Returns once no thread works on the job, however often the waiting task is cancelled."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    job.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    while not job.cancel() and not job.done():
        with suppress(asyncio.CancelledError):
            await ended.wait()
