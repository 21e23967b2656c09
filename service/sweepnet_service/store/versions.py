"""The store of versions: a folder, safe for several processes, in which nothing is written over.

    detectors/welcome/versions/3/model.safetensors, card.md, version.json
    detectors/welcome/aliases/live/000002.json

Making the folder of a number reserves it, its record makes it a version: a crash before that leaves
a number without a version. A deleted version's folder stays, empty, so that no number comes twice.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeGuard
from uuid import uuid4

from sweepnet_service.errors import FailedPrecondition, ModelUnreadable, NotFound
from sweepnet_service.store import aliases as moving
from sweepnet_service.store.aliases import Move
from sweepnet_service.store.durable import held, make_new_folder, put, sync_folder
from sweepnet_service.store.names import COLLECTION, LIVE, checked_name, name_alone, version_name
from sweepnet_service.store.version import (
    CARD,
    MODEL,
    RECORD,
    Lineage,
    Version,
    read_version,
    sha256_of,
)

NO_LINEAGE = Lineage()
VERSIONS, ALIASES, TURN = "versions", "aliases", ".turn"
LEFT_OVER_S = 86_400.0
"""So long after its folder was made, a number without a record is a crash's."""


class Versions:
    """All versions of all detectors in a folder of models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / COLLECTION

    def detectors(self) -> list[str]:
        """Names of the detectors that have, or had, versions."""
        if not self.folder.is_dir():
            return []
        places = (path for path in self.folder.iterdir() if (path / VERSIONS).is_dir())
        return sorted(COLLECTION + path.name for path in places)

    def of(self, name: str) -> list[Version]:
        """The versions of a detector, oldest first; those with a damaged record are left out."""
        found = []
        for number in self._numbers(name):
            try:
                version = read_version(name, number, self._place(name, number))
            except ModelUnreadable:
                continue
            if version is not None:
                found.append(version)
        return found

    def get(self, name: str, number: int) -> Version:
        """One version; raises NotFound or ModelUnreadable."""
        version = read_version(name, number, self._place(name, number))
        if version is None:
            there = ", ".join(str(each.number) for each in self.of(name)) or "none"
            raise NotFound(
                "version", f"no model named {version_name(name, number)}; versions: {there}"
            )
        return version

    def publish(
        self,
        name: str,
        model: Path,
        card: Path | None = None,
        lineage: Lineage = NO_LINEAGE,
        metrics: Mapping[str, Any] | None = None,
    ) -> Version:
        """A new version with copies of these files; it appears whole or not at all."""
        number, place = self._reserved(checked_name(name, "model"))
        try:
            put(place / MODEL, model.read_bytes())
            if card is not None:
                put(place / CARD, card.read_bytes())
            size, digest = (place / MODEL).stat().st_size, sha256_of(place / MODEL)
            version = Version(
                name, number, place, time.time(), size, digest, metrics or {}, lineage
            )
            put(place / RECORD, version.to_json())
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return version

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """While inside, no other process is inside for this detector; a kill ends it too."""
        place = self.folder / name_alone(checked_name(name, "model"))
        with held(place / TURN):
            yield

    def named_by(self, name: str, alias: str = LIVE) -> Version | None:
        """The version that an alias names, or None: the last promoted one that is still there.

        One whose record is damaged is not there.
        """
        return next(filter(_whole, self.standing(name, alias)), None)

    def standing(self, name: str, alias: str = LIVE) -> list[Version | ModelUnreadable]:
        """The versions that an alias named and may go back to, newest first, without deleted ones;
        for one whose record is damaged what is wrong with it.
        """
        return self._standing(name, self.moves(name, alias))

    def _standing(self, name: str, moves: list[Move]) -> list[Version | ModelUnreadable]:
        # Promoted again, a version stands twice.
        numbers = dict.fromkeys(reversed(moving.standing(moves)))
        found = (self._found(name, number) for number in numbers)
        return [each for each in found if each is not None]

    def _found(self, name: str, number: int) -> Version | ModelUnreadable | None:
        try:
            return read_version(name, number, self._place(name, number))
        except ModelUnreadable as error:
            return error

    def moves(self, name: str, alias: str = LIVE) -> list[Move]:
        """What an alias was told, in order."""
        return moving.moves(self._alias(name, alias))

    def aliases(self, name: str) -> dict[str, int]:
        """The number of the version that each alias names."""
        folder = self.folder / name_alone(name) / ALIASES
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        named = {alias: self.named_by(name, alias) for alias in names}
        return {alias: version.number for alias, version in named.items() if version is not None}

    def promote(self, name: str, number: int, alias: str = LIVE) -> Version:
        """Let the alias name this version; raises NotFound."""
        version = self.get(name, number)

        def decide(so_far: list[Move]) -> Move | None:
            stack = moving.standing(so_far)
            return None if stack and stack[-1] == number else moving.promotion(number)

        moving.move_on(self._alias(name, alias), decide)
        return version

    def roll_back(
        self, name: str, alias: str = LIVE, check: Callable[[Version], None] = lambda _: None
    ) -> Version:
        """Let the alias name the version before; what `check` raises of that keeps all as it is.

        Raises FailedPrecondition where there is none.
        """
        found: list[Version] = []

        def decide(so_far: list[Move]) -> Move:
            found[:] = [self._before(name, alias, so_far)]
            check(found[0])
            return moving.roll_back(found[0].number)

        moving.move_on(self._alias(name, alias), decide)
        return found[0]

    def _before(self, name: str, alias: str, so_far: list[Move]) -> Version:
        there = list(filter(_whole, self._standing(name, so_far)))
        if len(there) < 2:
            raise FailedPrecondition(
                "name", f"no version stood behind {name}@{alias} before; nothing to roll back to"
            )
        return there[1]

    def delete(self, name: str, number: int) -> None:
        """Delete a version; raises FailedPrecondition while an alias names it, or NotFound."""
        # A damaged record is no reason to keep the rest.
        with suppress(ModelUnreadable):
            self.get(name, number)
        holders = [alias for alias, named in self.aliases(name).items() if named == number]
        if holders:
            raise FailedPrecondition(
                "name",
                f"{version_name(name, number)} is {' and '.join(holders)}; promote another version "
                f"first, or delete {name} with all of them",
            )
        self._empty(self._place(name, number))

    def delete_all(self, name: str) -> bool:
        """Delete all versions and aliases of a detector; whether there were any.

        The aliases go first, at once: from then on nothing is live. Interrupted, it can be
        repeated.
        """
        place = self.folder / name_alone(name)
        there = any((self._place(name, each) / RECORD).exists() for each in self._numbers(name))
        if (place / ALIASES).is_dir():
            gone = place / f".deleted-{uuid4().hex}"
            (place / ALIASES).rename(gone)
            sync_folder(place)
        for left in place.glob(".deleted-*"):
            shutil.rmtree(left, ignore_errors=True)
        for number in self._numbers(name):
            self._empty(self._place(name, number))
        return there

    def tidy(self) -> None:
        """Remove what crashes left: files of numbers that never became versions."""
        for name in self.detectors():
            for number in self._numbers(name):
                place = self._place(name, number)
                old = time.time() - place.stat().st_mtime > LEFT_OVER_S
                if old and not (place / RECORD).exists():
                    self._empty(place)

    def _empty(self, place: Path) -> None:
        """The record goes first: without it there is no version."""
        (place / RECORD).unlink(missing_ok=True)
        sync_folder(place)
        for path in place.iterdir():
            path.unlink(missing_ok=True)

    def _reserved(self, name: str) -> tuple[int, Path]:
        while True:
            number = max(self._numbers(name), default=0) + 1
            place = self._place(name, number)
            try:
                make_new_folder(place)
            except FileExistsError:
                continue
            return number, place

    def _numbers(self, name: str) -> list[int]:
        folder = self.folder / name_alone(name) / VERSIONS
        if not folder.is_dir():
            return []
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())

    def _place(self, name: str, number: int) -> Path:
        return self.folder / name_alone(name) / VERSIONS / str(number)

    def _alias(self, name: str, alias: str) -> Path:
        return self.folder / name_alone(name) / ALIASES / alias


def _whole(found: Version | ModelUnreadable) -> TypeGuard[Version]:
    return isinstance(found, Version)
