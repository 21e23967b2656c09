"""One version of a detector: its record, and how the record is written and read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweepnet_service.errors import ModelUnreadable
from sweepnet_service.store.names import version_name

MODEL, CARD, RECORD = "model.safetensors", "card.md", "version.json"


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from: training, data set with its SHA-256, base model, release of
    sweepnet, settings that were given, answered captures among the data. Empty where it is not
    known.
    """

    operation: str = ""
    data_set: str = ""
    data_sha256: str = ""
    base_model: str = ""
    code_version: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    capture_count: int = 0


@dataclass(frozen=True)
class Version:
    """A published version; it never changes. `created_s` counts from 1970."""

    detector: str
    number: int
    folder: Path
    created_s: float
    size_bytes: int
    sha256: str
    metrics: Mapping[str, Any] = field(default_factory=dict, hash=False)
    lineage: Lineage = field(default_factory=Lineage, hash=False)

    @property
    def name(self) -> str:
        """`detectors/welcome/versions/3`."""
        return version_name(self.detector, self.number)

    @property
    def model(self) -> Path:
        """The model file."""
        return self.folder / MODEL

    @property
    def card(self) -> Path:
        """The card, which need not be there."""
        return self.folder / CARD

    def to_json(self) -> bytes:
        """The record as it is written."""
        record = asdict(self)
        del record["folder"]
        return json.dumps(record, indent=1, sort_keys=True, allow_nan=False).encode()


def read_version(detector: str, number: int, folder: Path) -> Version | None:
    """The version in a folder; None where none was published, or none is any more.

    Raises ModelUnreadable where its record is damaged.
    """
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _damaged(detector, number, type(error).__name__) from None
    try:
        lineage = Lineage(**record.pop("lineage"))
        read = Version(**record, folder=folder, lineage=lineage)
        if (read.detector, read.number) != (detector, number) or len(read.sha256) != 64:
            raise ValueError("it tells of another version")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(detector, number, str(error)) from None
    return read


def check_content(version: Version) -> None:
    """Raises ModelUnreadable where the model file is not the one that was published."""
    try:
        found = sha256_of(version.model)
    except OSError as error:
        raise ModelUnreadable(
            version.name, f"its model file cannot be read ({error.strerror})"
        ) from None
    if found != version.sha256:
        raise ModelUnreadable(
            version.name,
            f"its model file was changed: got sha256 {found[:12]}, published was "
            f"{version.sha256[:12]}; promote another version, or train it again",
        )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(detector: str, number: int, why: str) -> ModelUnreadable:
    return ModelUnreadable(
        version_name(detector, number), f"its record {RECORD} is damaged ({why}); delete it"
    )
