"""The library of detectors: model files by resource name, loaded when first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from sweepnet_service.errors import InvalidInput, ModelUnreadable, NotFound, shown
from sweepnet_service.store.entries import (
    SHIPPED,
    ModelEntry,
    load_detector,
    read_entry,
    unchanged,
)
from sweepnet_service.store.names import LIVE, SUFFIX, Reference, name_of_file, reference
from sweepnet_service.store.version import Version, check_content
from sweepnet_service.store.versions import Versions

if TYPE_CHECKING:
    from sweepnet_service.store.entries import Detector

MOST_PINNED = 4
"""Versions kept in memory that were asked for by number or were live before."""


class Library:
    """Detectors of the shipped folder and of one more; what is loaded is shared and never changes.

    A file in the second folder takes the place of a shipped one of the same name, and the live
    version of a detector the place of both. `warn` is told name and reason, once, of each file
    that cannot be used. Raises InvalidInput for no folder.
    """

    def __init__(
        self,
        folder: Path | None = None,
        shipped: Path = SHIPPED,
        warn: Callable[[str, str], None] = lambda name, reason: None,
    ) -> None:
        if folder is not None and not folder.is_dir():
            raise InvalidInput("models", f"no folder named {folder} (--models)")
        self.folder, self._warn = folder, warn
        self.versions = None if folder is None else Versions(folder)
        self._folders = tuple(path for path in (shipped, folder) if path is not None)
        self._lock, self._refreshing = threading.Lock(), threading.Lock()
        self._loaded: dict[ModelEntry, Detector] = {}
        self._pinned: tuple[ModelEntry, ...] = ()
        self._unreadable: dict[ModelEntry, str] = {}
        self._refused: frozenset[ModelEntry] = frozenset()
        self._damaged: dict[str, str] = {}
        self.entries: Mapping[str, ModelEntry] = MappingProxyType({})
        self.refresh()

    def refresh(self) -> None:
        """Look at the folders again; running work keeps the detectors it has.

        Where a model in use was replaced, the new one is loaded first: one that cannot be used is
        told of, and the old one stays.
        """
        with self._refreshing:
            named = self._found()
            for name, entry in named.items():
                old = self.entries.get(name)
                if old == entry:
                    continue
                if old in self._loaded and not self._usable(entry):
                    named[name] = old
                elif entry.error:
                    self._told_of(entry, entry.error)
            self.entries = MappingProxyType(dict(sorted(named.items())))

    def _found(self) -> dict[str, ModelEntry]:
        """The entry of each name: the live version, or the file of the last folder that has one."""
        files = [path for folder in self._folders for path in _files(folder)]
        found = {entry.name: entry for entry in map(self._read_file, files) if entry is not None}
        for name in self.versions.detectors() if self.versions else ():
            live = self._live(cast("Versions", self.versions), name)
            if live is None:
                continue
            replaced = found.get(name)
            found[name] = live
            if replaced is not None and replaced.path.parent == self.folder:
                self._told_of(
                    replaced,
                    f"{replaced.path.name} is passed over: the name has "
                    "versions; give the file another name",
                )
        return found

    def _live(self, versions: Versions, name: str) -> ModelEntry | None:
        """The entry of the live version, or of the last one before it that can be used; where none
        can, of the one that was promoted last. None where there is none.
        """
        in_use, last = self.entries.get(name), None
        for each in versions.standing(name):
            if isinstance(each, ModelUnreadable):
                self._told_of_record(name, each)
                if in_use is not None and in_use.version and in_use.version.name == each.where:
                    return in_use
                continue
            entry = self._entry_of(each)
            problem = entry.error or self._unreadable.get(entry)
            if not problem:
                return entry
            self._told_of(entry, f"{each.name}: {problem}; the model before it stays")
            last = last or entry
        return last

    def _told_of_record(self, name: str, error: ModelUnreadable) -> None:
        """Warn of a damaged record, once."""
        if self._damaged.get(error.where) != error.message:
            self._damaged[error.where] = error.message
            self._warn(name, str(error))

    def _read_file(self, path: Path) -> ModelEntry | None:
        """As `read_entry`; the header of a file that did not change is not read again."""
        name = name_of_file(path)
        known = self.entries.get(name or "")
        if known is not None and known.path == path and known == unchanged(known):
            return known
        return read_entry(path)

    def _told_of(self, entry: ModelEntry, reason: str) -> None:
        """Warn of an entry, once."""
        if entry not in self._refused:
            self._refused = frozenset({*filter(_as_it_was, self._refused), entry})
            self._warn(entry.name, reason)

    def _usable(self, entry: ModelEntry) -> bool:
        """Whether a model can take the place of one in use; if so it is loaded now."""
        if entry in self._refused:
            return False
        try:
            self._detector(entry)
        except ModelUnreadable as error:
            self._told_of(entry, f"{error.message}; the model before it stays")
            return False
        return True

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Names of the usable detectors of a kind, in order."""
        usable = (entry for entry in self.entries.values() if not entry.error)
        return tuple(entry.name for entry in usable if entry.kind == kind)

    def entry(self, name: str) -> ModelEntry:
        """The entry of a name, or of a version; raises NotFound with the names that there are."""
        named = reference(name, "model")
        entry = self.entries.get(named.name)
        if named.plain or (named.alias == LIVE and entry is not None and not entry.version):
            if entry is None:
                there = ", ".join(self.entries) or "none"
                raise NotFound("model", f"no model named {shown(name)}; there are: {there}")
            return entry
        return self._version_entry(named)

    def _version_entry(self, named: Reference) -> ModelEntry:
        if self.versions is None:
            raise NotFound("model", "this server keeps no versions; start it with --models DIR")
        if named.number:
            return self._entry_of(self.versions.get(named.name, named.number))
        version = self.versions.named_by(named.name, named.alias)
        if version is None:
            there = ", ".join(self.versions.aliases(named.name)) or "none"
            raise NotFound(
                "model", f"{named.name} has no alias {shown(named.alias)}; there are: {there}"
            )
        return self._entry_of(version)

    def _entry_of(self, version: Version) -> ModelEntry:
        known = self.entries.get(version.detector)
        if known is not None and known.version == version:
            return known
        found = read_entry(version.model, version.detector)
        if found is None:
            found = ModelEntry(version.detector, version.model, 0, 0, error="its file is missing")
        return replace(found, version=version)

    def load(self, name: str) -> Detector:
        """The detector of a name or version; raises NotFound or ModelUnreadable.

        Where the live version turns out to be broken, its name means the version before it.
        """
        while True:
            entry = self.entry(name)
            try:
                return self._detector(entry)
            except ModelUnreadable:
                if not reference(name, "model").plain:
                    raise
                self.refresh()
                if self.entry(name) == entry:
                    raise

    def current(self, name: str) -> Detector | None:
        """The detector that a name means now, as it is in memory; nothing is loaded for it, and a
        version that is named by its number never means another.
        """
        named = reference(name, "model")
        entry = self.entries.get(named.name)
        known = entry is not None and (named.plain or named.alias == LIVE)
        return self._loaded.get(entry) if known and entry is not None else None

    def _detector(self, entry: ModelEntry) -> Detector:
        problem = entry.error or self._unreadable.get(entry)
        if problem:
            raise ModelUnreadable(entry.name, problem)
        # Who asks for what is loaded does not wait for another model's loading.
        loaded = self._loaded.get(entry)
        if loaded is not None:
            return loaded
        with self._lock:
            if entry not in self._loaded:
                if entry.version is not None:
                    self._pinned = (entry, *self._pinned)[:MOST_PINNED]
                self._loaded = {known: self._loaded[known] for known in self._current()}
                self._loaded[entry] = self._read(entry)
            return self._loaded[entry]

    def _read(self, entry: ModelEntry) -> Detector:
        try:
            if entry.version is not None:
                check_content(entry.version)
            return load_detector(entry.kind, entry.path)
        except ModelUnreadable as error:
            # Told of again without another attempt, until the file changes.
            self._unreadable = {
                known: told for known, told in self._unreadable.items() if _as_it_was(known)
            }
            self._unreadable[entry] = error.message
            self._warn(entry.name, error.message)
            raise

    def _current(self) -> list[ModelEntry]:
        """Entries loaded before that are still in use, and the last few versions asked for by
        number; others are let go."""
        return [
            known
            for known in self._loaded
            if self.entries.get(known.name) == known or known in self._pinned
        ]


def _as_it_was(entry: ModelEntry) -> bool:
    return unchanged(entry) is not None or not entry.path.exists()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
