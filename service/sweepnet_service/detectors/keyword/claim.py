"""A work folder belongs to one training: its settings lie beside the stages it keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from cnn_core.modelfile import write_whole
from sweepnet_service.detectors.keyword.paths import check_folder
from sweepnet_service.errors import InvalidInput, shown

RECORD = "settings.json"


def claim(work_dir: Path, settings: Mapping[str, str]) -> None:
    """Makes the work folder; raises InvalidInput where it holds the stages of other settings."""
    check_claim(work_dir, settings)
    work_dir.mkdir(parents=True, exist_ok=True)
    path = work_dir / RECORD
    if not path.exists():
        write_whole(path, json.dumps(settings, indent=1).encode())


def check_claim(work_dir: Path, settings: Mapping[str, str]) -> None:
    """Raises InvalidInput where the work folder can be none, or holds the stages of other
    settings.
    """
    check_folder(work_dir, "work_dir")
    path = work_dir / RECORD
    if not path.exists():
        return
    kept = recorded(path)
    differ = [
        f"{name} is {shown(value)}, there {shown(kept.get(name))}"
        for name, value in settings.items()
        if kept.get(name) != value
    ]
    if differ:
        raise InvalidInput(
            "work_dir",
            f"{work_dir} belongs to other settings ({'; '.join(differ)}). It holds only what that "
            "training kept to go on from: delete it, or use another folder (--work-dir)",
        )


def recorded(path: Path) -> dict[str, str]:
    """The settings in a record; none in one that is damaged."""
    try:
        kept = json.loads(path.read_text())
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}
