"""The library of detectors: model files by resource name, loaded when first asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from safetensors import safe_open

from cnn_core.errors import ModelFileError
from cnn_core.modelfile import FORMAT_VERSION
from sweepnet_service.errors import InvalidInput, ModelUnreadable, NotFound, SweepnetError, shown
from sweepnet_service.store.names import SUFFIX, name_of_file

if TYPE_CHECKING:
    from typing import TypeAlias

    from sweepnet_service.detectors.image import ImageDetector
    from sweepnet_service.detectors.keyword import KeywordDetector

    Detector: TypeAlias = KeywordDetector | ImageDetector

SHIPPED = Path(__file__).resolve().parent.parent / "models"
KINDS = ("keyword", "image", "phones")
HEARING = ("keyword", "phones")
"""Kinds that hear audio: phones are told where they are asked for by name, and words always."""


@dataclass(frozen=True)
class ModelEntry:
    """A model file as its header shows it; `error` says why it cannot be used."""

    name: str
    path: Path
    size_bytes: int
    modified_ns: int
    kind: str = ""
    format_version: int = 0
    error: str = ""

    @property
    def shipped(self) -> bool:
        """Whether it came with the package."""
        return self.path.parent == SHIPPED


class Library:
    """Detectors of the shipped folder and of one more; what is loaded is shared and never changes.

    A file in the second folder takes the place of a shipped one of the same name. `warn` is told
    name and reason, once, of each file that cannot be used. Raises InvalidInput for no folder.
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
        self._folders = tuple(path for path in (shipped, folder) if path is not None)
        self._lock = threading.Lock()
        self._loaded: dict[ModelEntry, Detector] = {}
        self._unreadable: dict[ModelEntry, str] = {}
        self.entries: Mapping[str, ModelEntry] = MappingProxyType({})
        self.refresh()

    def refresh(self) -> None:
        """Look at the folders again; running work keeps the detectors it has."""
        found = [read_entry(path) for folder in self._folders for path in _files(folder)]
        named = {entry.name: entry for entry in found if entry is not None}
        for entry in named.values():
            if entry.error and self.entries.get(entry.name) != entry:
                self._warn(entry.name, entry.error)
        self.entries = MappingProxyType(dict(sorted(named.items())))

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Names of the usable detectors of a kind, in order."""
        usable = (entry for entry in self.entries.values() if not entry.error)
        return tuple(entry.name for entry in usable if entry.kind == kind)

    def entry(self, name: str) -> ModelEntry:
        """The entry of a name; raises NotFound with the names that there are."""
        entry = self.entries.get(name)
        if entry is None:
            there = ", ".join(self.entries) or "none"
            raise NotFound("model", f"no model named {shown(name)}; there are: {there}")
        return entry

    def load(self, name: str) -> Detector:
        """The detector of a name; raises NotFound or ModelUnreadable."""
        entry = self.entry(name)
        problem = entry.error or self._unreadable.get(entry)
        if problem:
            raise ModelUnreadable(name, problem)
        with self._lock:
            if entry not in self._loaded:
                self._loaded = {known: self._loaded[known] for known in self._current()}
                self._loaded[entry] = self._read(entry)
            return self._loaded[entry]

    def _read(self, entry: ModelEntry) -> Detector:
        try:
            return load_detector(entry.kind, entry.path)
        except ModelUnreadable as error:
            # Told of again without another attempt, until the file changes.
            self._unreadable = {
                known: told
                for known, told in self._unreadable.items()
                if self.entries.get(known.name) == known
            }
            self._unreadable[entry] = error.message
            self._warn(entry.name, error.message)
            raise

    def _current(self) -> list[ModelEntry]:
        """Entries loaded before that are still in use: replaced ones are let go."""
        return [known for known in self._loaded if self.entries.get(known.name) == known]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def read_entry(path: Path) -> ModelEntry | None:
    """What the header of a model file says; None where the file name makes no resource name."""
    name = name_of_file(path)
    if name is None:
        return None
    try:
        state = path.stat()
        bare = ModelEntry(name, path, state.st_size, state.st_mtime_ns)
    except OSError:
        return None
    try:
        kind, version = _header(path)
    except Exception as error:  # what is in a file may make any library fail in any way
        return replace(bare, error=f"not a readable model file ({type(error).__name__})")
    if not 1 <= version <= FORMAT_VERSION:
        return replace(bare, kind=kind if kind in KINDS else "", error=_too_new(version))
    if kind not in KINDS:
        problem = f"got kind {kind[:80]!r}; expected one of {', '.join(KINDS)}"
        return replace(bare, format_version=version, error=problem)
    return replace(bare, kind=kind, format_version=version)


def _too_new(version: int) -> str:
    came = version if abs(version) < 1 << 31 else "a number beyond all"
    return (
        f"got format_version {came}; this sweepnet reads 1 to {FORMAT_VERSION}. "
        "Install a newer sweepnet"
    )


def _header(path: Path) -> tuple[str, int]:
    """Kind and format version as written in the file, without reading its weights."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    description = json.loads(metadata["description"])
    return str(description["kind"]), int(metadata["format_version"])


def load_detector(kind: str, path: Path) -> Detector:
    """The detector in a model file; raises ModelUnreadable.

    The detectors' packages are imported here, so that a server is ready before they are.
    """
    try:
        if kind in HEARING:
            from sweepnet_service.detectors.keyword import KeywordDetector

            return KeywordDetector.load(path)
        from sweepnet_service.detectors.image import ImageDetector

        return ImageDetector.load(path)
    except SweepnetError:
        raise
    except ModelFileError as error:
        raise ModelUnreadable(path.name, str(error)) from error
    except Exception as error:  # what is in a file may make any library fail in any way
        raise ModelUnreadable(
            path.name, f"not a readable model file ({type(error).__name__}: {error})"
        ) from error
