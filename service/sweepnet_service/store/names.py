"""Resource names of detectors: `detectors/welcome` is the file `welcome.safetensors`."""

from __future__ import annotations

import re
from pathlib import Path

from sweepnet_service.errors import InvalidInput, shown

COLLECTION = "detectors/"
SUFFIX = ".safetensors"
_NAME = re.compile(r"detectors/[a-z][a-z0-9_-]{0,62}")


def checked_name(name: str, where: str) -> str:
    """The name itself; raises InvalidInput if it is not of the form `detectors/welcome`."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            where,
            f"got {shown(name)}; expected a name such as 'detectors/welcome': lower case letters, "
            "digits, '-' and '_', from a letter, at most 63 behind the slash",
        )
    return name


def name_of_file(path: Path) -> str | None:
    """The resource name that a model file has, None if its file name makes none."""
    name = COLLECTION + path.stem
    return name if _NAME.fullmatch(name) else None


def name_alone(name: str) -> str:
    """`welcome` of `detectors/welcome`."""
    return name.removeprefix(COLLECTION)


def file_of_name(folder: Path, name: str) -> Path:
    """Where the model of this (checked) name lies in a folder."""
    return folder / f"{name_alone(name)}{SUFFIX}"
