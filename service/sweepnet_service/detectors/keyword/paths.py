"""Whether files and folders that a verb was given can be used: asked before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sweepnet_service.detectors.keyword.dataset import Recording, room_files
from sweepnet_service.detectors.keyword.intake import listed
from sweepnet_service.errors import InvalidInput

LONGEST_NAME = 255
"""Bytes of a file's name in usual file systems."""


def check_folder(place: Path, argument: str) -> None:
    """Raises InvalidInput where files can neither be put into a folder nor it be made."""
    longest = max(len(os.fsencode(part)) for part in place.absolute().parts)
    if longest > LONGEST_NAME:
        raise InvalidInput(
            argument, f"got a name of {longest} bytes; expected at most {LONGEST_NAME}"
        )
    there = next(each for each in (place, *place.absolute().parents) if os.path.lexists(each))
    if there.is_symlink() and not os.path.exists(there):
        raise InvalidInput(argument, f"{there} is a link to nothing; remove it, or name another")
    if not there.is_dir():
        raise InvalidInput(argument, f"{there} is a file; expected a folder, or a name for one")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InvalidInput(argument, f"{there} may not be written to; expected another folder")


def check_files(recordings: Iterable[Recording]) -> None:
    """Raises InvalidInput for recordings whose files are not there."""
    files = dict.fromkeys(row.path for row in recordings)
    if missing := [str(path) for path in files if not path.is_file()]:
        raise InvalidInput(
            "data", f"lists files that are not there: {listed(missing)}; put them there"
        )


def check_rooms(data: Path) -> None:
    """Raises InvalidInput where a room's response that the shipped models' data lists is missing,
    or the list itself.
    """
    if missing := [str(path) for path in room_files(data) if not path.is_file()]:
        raise InvalidInput("data", f"lists rooms that are not there: {listed(missing)}")
