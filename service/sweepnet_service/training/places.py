"""Where a job keeps what it goes on from, and its log."""

from __future__ import annotations

import os
from pathlib import Path

PLACES = ".training"
LOG = "log.txt"
LONGEST_LOG = 64 * 1024


def place_of(models: Path, identity: str) -> Path:
    """The folder of a job."""
    return models / PLACES / identity


def log_of(models: Path, identity: str) -> str:
    """The last lines that a job wrote; "" where it has written none."""
    try:
        with (place_of(models, identity) / LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_LOG))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
