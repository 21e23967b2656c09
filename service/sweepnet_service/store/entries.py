"""A model file as its header shows it, and the detector in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from cnn_core.errors import ModelFileError
from cnn_core.modelfile import FORMAT_VERSION
from sweepnet_service.errors import ModelUnreadable, SweepnetError
from sweepnet_service.store.names import name_of_file
from sweepnet_service.store.version import Version

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
    """A model file as its header shows it; `error` says why it cannot be used. `version` is the
    one that the file belongs to, None for a file that stands by itself.
    """

    name: str
    path: Path
    size_bytes: int
    modified_ns: int
    kind: str = ""
    format_version: int = 0
    error: str = ""
    version: Version | None = None

    @property
    def shipped(self) -> bool:
        """Whether it came with the package."""
        return self.path.parent == SHIPPED


def unchanged(entry: ModelEntry) -> ModelEntry | None:
    """The entry, if its file is as it was."""
    try:
        state = entry.path.stat()
    except OSError:
        return None
    same = (state.st_size, state.st_mtime_ns) == (entry.size_bytes, entry.modified_ns)
    return entry if same else None


def read_entry(path: Path, name: str | None = None) -> ModelEntry | None:
    """What the header of a model file says, by default under the name that its file name makes;
    None where that makes none, or there is no such file.
    """
    name = name or name_of_file(path)
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
