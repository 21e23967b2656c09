"""Captures in a folder, two files each; safe for several processes.

    20261121t183002-1f3a5b7c.content   a WAV file, or a picture as it was sent
    20261121t183002-1f3a5b7c.json      the record, written last

All together have a most of bytes: the oldest that nobody answered make room for new ones. Each has
a day on which it is deleted, answered or not.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sweepnet_service.captures.capture import (
    ANSWERS,
    IDENTITY,
    Answer,
    Capture,
    Sighting,
    from_json,
    identity_of,
)
from sweepnet_service.errors import InvalidInput, NotFound, shown
from sweepnet_service.store.durable import put, sync_folder

CONTENT, RECORD = ".content", ".json"
DAY_S = 86_400.0
LEFT_OVER_S = 3_600.0
"""So long after it was written, a file without its record is a crash's."""


@dataclass(frozen=True)
class Captures:
    """All captures of a folder, which is made, for its owner alone, when the first one comes."""

    folder: Path
    most_bytes: int = 256 * 1024 * 1024
    days: float = 30.0

    def add(self, sighting: Sighting, content: bytes) -> Capture | None:
        """The capture that is now kept; None where those that were answered fill the room."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._room_for(len(content)):
            return None
        now_s = time.time()
        stamp = time.strftime("%Y%m%dt%H%M%S", time.gmtime(now_s))
        identity = f"{stamp}-{uuid.uuid4().hex[:8]}"
        kept = Capture(identity, sighting, now_s, now_s + self.days * DAY_S, len(content))
        put(self._content(identity), content)
        put(self._record(identity), kept.to_json())
        return kept

    def all(self) -> list[Capture]:
        """All that are kept, the oldest first; damaged records are left out."""
        found = map(self._read, self._identities(RECORD))
        now_s = time.time()
        return [each for each in found if each is not None and each.expires_s > now_s]

    def get(self, name: str) -> Capture:
        """The capture of this name; raises NotFound."""
        found = self._read(identity_of(name))
        if found is None or found.expires_s <= time.time():
            raise NotFound("name", f"no capture named {shown(name)}; it may have expired")
        return found

    def content(self, name: str) -> bytes:
        """The WAV file or picture of a capture; raises NotFound."""
        try:
            return self._content(self.get(name).id).read_bytes()
        except FileNotFoundError:
            raise NotFound("name", f"no capture named {shown(name)}; it was deleted") from None

    def answer(self, name: str, answer: Answer) -> Capture:
        """Keep what a person said; "" takes an answer back. Raises NotFound."""
        if answer not in ANSWERS:
            raise InvalidInput("answer", f"got {shown(answer)}; expected yes, no or nothing")
        answered = replace(self.get(name), answer=answer)
        put(self._record(answered.id), answered.to_json())
        if not self._content(answered.id).exists():
            # Deleted meanwhile: the answer must not bring the record back.
            self._drop(answered.id)
            raise NotFound("name", f"no capture named {shown(name)}; it was deleted just now")
        return answered

    def delete(self, name: str) -> None:
        """Delete a capture with its content; raises NotFound."""
        identity = identity_of(name)
        if not self._record(identity).exists():
            raise NotFound("name", f"no capture named {shown(name)}; it may have expired")
        self._drop(identity)

    def expire(self, in_use: Callable[[str], bool] = lambda identity: False) -> None:
        """Delete what has come to its end, and what crashes left; what is in use waits."""
        now_s = time.time()
        for identity in self._identities(RECORD):
            kept = self._read(identity)
            if kept is not None and kept.expires_s <= now_s:
                with self.alone():
                    if not in_use(identity):
                        self._drop(identity)
        for identity in self._identities(CONTENT):
            if self._left_over(self._content(identity)) and self._read(identity) is None:
                self._drop(identity)
        for path in self.folder.glob(".*.tmp"):
            if self._left_over(path):
                path.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While inside nobody else is, in this process or another: between the question whether a
        capture is in use and its end no training must begin with it.
        """
        if not self.folder.is_dir():
            yield
            return
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _room_for(self, size_bytes: int) -> bool:
        """Whether there is room, once the oldest that nobody answered have gone."""
        kept = self.all()
        free = self.most_bytes - sum(each.size_bytes for each in kept) - size_bytes
        spare = [each for each in kept if not each.answer]
        if free + sum(each.size_bytes for each in spare) < 0:
            return False
        for each in spare:
            if free >= 0:
                break
            self._drop(each.id)
            free += each.size_bytes
        return True

    def _drop(self, identity: str) -> None:
        """The content goes first: it is what must not stay."""
        self._content(identity).unlink(missing_ok=True)
        self._record(identity).unlink(missing_ok=True)
        sync_folder(self.folder)

    def _left_over(self, path: Path) -> bool:
        """Whether a file is so old that nobody is writing it any more."""
        try:
            return time.time() - path.stat().st_mtime > LEFT_OVER_S
        except FileNotFoundError:
            return False

    def _identities(self, suffix: str) -> Iterator[str]:
        if not self.folder.is_dir():
            return iter(())
        names = (path.stem for path in self.folder.iterdir() if path.suffix == suffix)
        return iter(sorted(name for name in names if IDENTITY.fullmatch(name)))

    def _read(self, identity: str) -> Capture | None:
        try:
            found = from_json(self._record(identity).read_bytes())
        except OSError:
            return None
        return found if found is not None and found.id == identity else None

    def _content(self, identity: str) -> Path:
        return self.folder / f"{identity}{CONTENT}"

    def _record(self, identity: str) -> Path:
        return self.folder / f"{identity}{RECORD}"
