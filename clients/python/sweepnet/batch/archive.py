"""An archive scored: many files at once, each exactly once, results into one file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from sweepnet import _checks, _many, _retrying, _sources, records
from sweepnet._sources import SourceKind
from sweepnet.batch import writing
from sweepnet.batch.journal import Journal
from sweepnet.client import Client
from sweepnet.errors import Cancelled, SweepnetError
from sweepnet.options import DetectOptions, SpotOptions
from sweepnet.records import Rows
from sweepnet.results import Model, Scored

Told = dict[str, Any]
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Failure:
    """A file without a result, and why."""

    source: str
    error: str


@dataclass(frozen=True)
class Progress:
    """How far a run is: files of all, those that failed, audio heard, time left if known."""

    done: int
    total: int
    failed: int
    audio_s: float
    seconds_left: float | None


@dataclass(frozen=True)
class Report:
    """What a run did: files scored now and before it, and those that have no result."""

    out: Path
    scored: int
    scored_before: int
    failures: tuple[Failure, ...]


def score_archive(
    client: Client,
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    kind: SourceKind | None = None,
    concurrency: int = 4,
    spot: SpotOptions | None = None,
    detect: DetectOptions | None = None,
    rows: Rows = "labels",
    fresh: bool = False,
    patience_s: float = PATIENCE_S,
    progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Score files into `out` (.jsonl, .csv or .parquet), in the order of `sources`.

    What is done is kept in `OUT.journal`: called again, it goes on, scores what is new and tries
    again what failed; `fresh` begins anew. A server that is away or full is waited for up to
    `patience_s`; then its error is raised, and the same call goes on later, as it does after an
    OSError where the disk is full.
    """
    place = Path(out)
    records.checked(rows)
    writing.checked(place)
    _checks.patience(patience_s)
    names = _names(sources)
    work = _Work(client, kind, spot or {}, detect or {}, patience_s)
    _many.checked(concurrency, names, kind)
    journal_place = place.with_name(place.name + ".journal")
    place.parent.mkdir(parents=True, exist_ok=True)
    with Journal(journal_place, work.settings(), fresh) as journal:
        pending = [name for name in names if not journal.done(name)]
        tally = _Tally(len(names), len(names) - len(pending), progress)
        with _pool(concurrency, work) as pool:
            for record in _done(pool, pending, work, concurrency):
                journal.add(record)
                tally.count(record)
        writing.write(place, journal.records(iter(names)), rows)
        failures = tuple(
            Failure(record["source"], record["error"])
            for record in journal.records(name for name in names if not journal.done(name))
        )
    return Report(place, len(pending) - len(failures), len(names) - len(pending), failures)


def _names(sources: Iterable[str | os.PathLike[str]]) -> Sequence[str]:
    _many.checked(1, sources)
    return list(dict.fromkeys(os.fspath(source) for source in sources))


@dataclass(frozen=True)
class _Work:
    """What is done to each file."""

    client: Client
    kind: SourceKind | None
    spot: SpotOptions
    detect: DetectOptions
    patience_s: float
    stopped: Event = field(default_factory=Event)

    def __call__(self, source: str) -> Told:
        """The record of a file; raises only what stops the whole run."""
        try:
            result = _retrying.repeated(
                lambda: self._scored(source), self.patience_s, self.stopped.wait
            )
        except SweepnetError as error:
            if _retrying.passing(error) or isinstance(error, Cancelled):
                raise
            return records.record(Scored(source, error=error.message))
        except OSError as error:  # it could be opened, but not be read to its end
            reason = error.strerror or type(error).__name__
            return records.record(Scored(source, error=f"{source} cannot be read: {reason}"))
        return records.record(result)

    def _scored(self, source: str) -> Scored:
        if self.stopped.is_set():
            raise Cancelled("the run is being stopped")
        if _sources.is_picture(source, self.kind):
            return Scored(source, self.client.detect(source, **self.detect))
        return Scored(source, self.client.spot(source, **self.spot))

    def settings(self) -> Mapping[str, Any]:
        """What the results depend on, ready for JSON: options, and the models as they are."""
        models = _retrying.repeated(self._models, self.patience_s)
        return {
            "kind": self.kind,
            "options of recordings": _plain(self.spot),
            "options of pictures": _plain(self.detect),
            "models": {
                name: [
                    model.version or model.name,
                    model.size_bytes,
                    dict(model.default_thresholds),
                ]
                for name, model in models.items()
            },
        }

    def _models(self) -> Mapping[str, Model]:
        """The models that may score files of this run, by the names by which they are asked for;
        where none is named, all of a kind."""
        found: dict[str, Model] = {}
        there = self.client.models()
        for source, kind, options in _KINDS:
            asked = getattr(self, options).get("detectors", ())
            if self.kind in (None, source):
                found |= {name: self.client.model(name) for name in asked}
                found |= {m.name: m for m in there if m.kind == kind and not asked}
        return found


_KINDS = (("audio", "keyword", "spot"), ("picture", "image", "detect"))
"""What a file is, which models score it, and with which options."""


def _plain(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options with lists for what else is a sequence, without limits of time."""
    kept = {name: value for name, value in options.items() if name != "timeout_s"}
    return {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in kept.items()
    }


@contextmanager
def _pool(concurrency: int, work: _Work) -> Iterator[ThreadPoolExecutor]:
    """Threads that nobody waits for where the run is stopped."""
    pool = ThreadPoolExecutor(concurrency, "archive")
    try:
        yield pool
    finally:
        work.stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _done(
    pool: ThreadPoolExecutor, sources: Iterable[str], work: _Work, concurrency: int
) -> Iterator[Told]:
    """Records as they are done; no more than `concurrency` files are under way."""
    running: set[Future[Told]] = set()
    for source in sources:
        running.add(pool.submit(work, source))
        if len(running) == concurrency:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            yield from _results(ended)
    while running:
        ended, running = wait(running, return_when=FIRST_COMPLETED)
        yield from _results(ended)


def _results(ended: Iterable[Future[Told]]) -> Iterator[Told]:
    """Those that have one, then the error of one that has not."""
    stopping = []
    for future in ended:
        if future.exception() is None:
            yield future.result()
        else:
            stopping.append(future)
    for future in stopping:
        future.result()


class _Tally:
    """Counts what is done and tells it."""

    def __init__(
        self, total: int, before: int, progress: Callable[[Progress], object] | None
    ) -> None:
        self._total, self._before, self._tell = total, before, progress
        self._done = self._failed = 0
        self._audio_s = 0.0
        self._began_s = time.monotonic()
        self._told()

    def count(self, record: Told) -> None:
        """One more is done."""
        self._done += 1
        self._failed += "error" in record
        self._audio_s += record.get("duration_s", 0.0)
        self._told()

    def _told(self) -> None:
        if self._tell is None:
            return
        done = self._before + self._done
        each_s = (time.monotonic() - self._began_s) / self._done if self._done else None
        left_s = None if each_s is None else each_s * (self._total - done)
        self._tell(Progress(done, self._total, self._failed, self._audio_s, left_s))
