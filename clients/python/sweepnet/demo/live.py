"""Plays an announcement to a server as a live source would, and keeps what the server replied."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sweepnet import Client, Event, Features, ServerFault, WindowScore

from .announcement import LABEL, RATE_HZ, Announcement, Placed

CHUNK_S = 0.08


@dataclass(frozen=True)
class Hearing:
    """What came back: score k of LABEL is that of the window round centres_s[k]."""

    events: tuple[Event, ...]
    centres_s: tuple[float, ...]
    scores: tuple[float, ...]
    threshold: float
    features: tuple[Features, ...]


@dataclass(frozen=True)
class Watcher:
    """Told of each prompt and each event once the server has got there, in stream time."""

    prompt: Callable[[Placed], None]
    event: Callable[[Event, float], None]


def paced(announcement: Announcement, speed: float) -> Iterator[bytes]:
    """Chunks of CHUNK_S, each when a live source would have it; all at once for speed 0."""
    began_s = time.monotonic()
    for index, chunk in enumerate(announcement.chunks(CHUNK_S), start=1):
        if speed:
            time.sleep(max(0.0, began_s + index * CHUNK_S / speed - time.monotonic()))
        yield chunk


def hear(client: Client, announcement: Announcement, speed: float, watcher: Watcher) -> Hearing:
    """Stream the announcement through `client`; the watcher hears of events as they arrive."""
    events: list[Event] = []
    curve: list[tuple[float, float]] = []
    features: list[Features] = []
    ahead = list(announcement.parts)
    chunks = paced(announcement, speed)
    with client.stream(chunks, detectors=[LABEL], rate_hz=RATE_HZ, features=True) as stream:
        for update in stream:
            while ahead and ahead[0].start_s <= update.read_until_s:
                watcher.prompt(ahead.pop(0))
            for part in update.channels:
                curve += [_point(window) for window in part.windows]
                features += [part.features] if part.features else []
            for event in update.events:
                events.append(event)
                watcher.event(event, update.read_until_s)
        opened = stream.opened
    if opened is None:
        raise ServerFault("the server ended the stream without opening it")
    return Hearing(
        events=tuple(events),
        centres_s=tuple(centre_s for centre_s, _ in curve),
        scores=tuple(score for _, score in curve),
        threshold=opened.detectors[0].thresholds[LABEL],
        features=tuple(features),
    )


def _point(window: WindowScore) -> tuple[float, float]:
    return (window.start_s + window.end_s) / 2, window.scores[LABEL]
