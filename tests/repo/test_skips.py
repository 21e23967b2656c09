"""Skipped tests are counted, and in CI only those are let through that its machine cannot run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = "[pytest]\nmarkers =\n    needs_data\n    needs_program(name)\n"
DATA = "import pytest\n\n@pytest.mark.needs_data\ndef test_it(): pass\n"
PROGRAM = "import pytest\n\n@pytest.mark.needs_program('{}')\ndef test_it(): pass\n"
OTHER = "import pytest\n\ndef test_it(): pytest.skip('not today')\n"


def run(folder: Path, test: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """pytest on one test file under this repository's conftest."""
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "tests")
    (folder / "tests" / "test_one.py").write_text(test, encoding="utf-8")
    (folder / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SWEEPNET", "PYTEST"))}
    kept["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder / "tests")],
        cwd=folder,
        env={**kept, **variables},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("test", "allowed"),
    [
        (DATA, True),
        (PROGRAM.format("no-such-program"), True),
        (PROGRAM.format("flite"), False),
        (OTHER, False),
    ],
    ids=["data", "program", "program that CI installs", "any other reason"],
)
def test_skips_are_counted_and_judged(tmp_path: Path, test: str, allowed: bool) -> None:
    """Without the variable every skip passes; with it only what CI's machine cannot have."""
    nothing = {"SWEEPNET_DATA": str(tmp_path / "none"), "PATH": str(tmp_path)}
    strict = {**nothing, "SWEEPNET_NO_SKIPS": "1"}
    lenient = run(tmp_path, test, **nothing)
    shutil.rmtree(tmp_path / "tests")
    judged = run(tmp_path, test, **strict)

    assert lenient.returncode == 0
    assert "skipped: 1" in lenient.stdout
    assert (judged.returncode == 0) is allowed
    assert ("not allowed here" in judged.stdout) is not allowed


def test_data_that_is_there_is_used(tmp_path: Path) -> None:
    """Nothing is skipped where the folder exists."""
    done = run(tmp_path, DATA, SWEEPNET_DATA=str(tmp_path), SWEEPNET_NO_SKIPS="1")

    assert done.returncode == 0
    assert "skipped: 0" in done.stdout
