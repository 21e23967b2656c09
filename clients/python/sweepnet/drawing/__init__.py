"""Pictures of what the server replied. Drawing needs the extra [plots]; importing this does not."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path

MISSING = "matplotlib is missing (pip install 'sweepnet[plots]')"


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def prepare() -> None:
    """Before the first picture: else matplotlib complains of a cache folder it cannot make."""
    if not os.access(Path.home(), os.W_OK):
        os.environ.setdefault("MPLCONFIGDIR", tempfile.mkdtemp(prefix="matplotlib-"))
