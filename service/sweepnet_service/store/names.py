"""Resource names of detectors: `detectors/welcome` is the file `welcome.safetensors`.

detectors/welcome               the version in use, or the file of that name
detectors/welcome@live          the version that an alias names
detectors/welcome/versions/3    always the same version
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sweepnet_service.errors import InvalidInput, shown

COLLECTION = "detectors/"
SUFFIX = ".safetensors"
LIVE = "live"
ALONE = r"[a-z][a-z0-9_-]{0,62}"
_NAME = re.compile(f"detectors/{ALONE}")
_ALIAS = re.compile(ALONE)
_REFERENCE = re.compile(
    f"(?P<name>detectors/{ALONE})(?:@(?P<alias>{ALONE})|/versions/(?P<number>[1-9][0-9]{{0,8}}))?"
)


@dataclass(frozen=True)
class Reference:
    """A detector as it was named: by itself, by an alias, or by the number of a version."""

    name: str
    alias: str = ""
    number: int = 0

    @property
    def plain(self) -> bool:
        """Whether it names the detector alone."""
        return not self.alias and not self.number


def checked_name(name: str, where: str) -> str:
    """The name itself; raises InvalidInput if it is not of the form `detectors/welcome`."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            where,
            f"got {shown(name)}; expected a name such as 'detectors/welcome': lower case letters, "
            "digits, '-' and '_', from a letter, at most 63 behind the slash",
        )
    return name


def checked_alias(alias: str, where: str = "alias") -> str:
    """The alias itself, `live` where none is given; raises InvalidInput."""
    if alias and not _ALIAS.fullmatch(alias):
        raise InvalidInput(
            where,
            f"got {shown(alias)}; expected a name such as 'live': lower case letters, digits, '-' "
            "and '_', from a letter, at most 63",
        )
    return alias or LIVE


def reference(name: str, where: str) -> Reference:
    """What a name refers to; raises InvalidInput if it is of none of the three forms."""
    found = _REFERENCE.fullmatch(name)
    if found is None:
        raise InvalidInput(
            where,
            f"got {shown(name)}; expected a name such as 'detectors/welcome', "
            "'detectors/welcome@live' or 'detectors/welcome/versions/3': lower case letters, "
            "digits, '-' and '_', from a letter, at most 63",
        )
    return Reference(found["name"], found["alias"] or "", int(found["number"] or 0))


def version_name(name: str, number: int) -> str:
    """`detectors/welcome/versions/3`."""
    return f"{name}/versions/{number}"


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
