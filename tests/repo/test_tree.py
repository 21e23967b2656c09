"""What is in the repository and what goes into the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOTS = {
    "cnn_core/": "",
    "service/sweepnet_service/": "service/",
    "protos/sweepnet_protos/": "protos/",
    "clients/python/sweepnet/": "clients/python/",
}
LARGEST_BYTES = 4 * 1024 * 1024
# Paths of somebody's machine, and addresses of package indexes. (Split, so as not to find itself.)
FOREIGN = re.compile("|".join((r"/(?:wo" r"rk|fa" r"rm)/[a-z.]", r"/ro" r"ot/", r"pypi\.o" r"rg")))

pytestmark = pytest.mark.needs_program("git")


def tracked(*folders: str) -> list[str]:
    """Paths in git, or those that would be added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(path for path in set(done.stdout.splitlines()) if (ROOT / path).exists())


def test_the_wheel_holds_the_four_packages(tmp_path: Path) -> None:
    """Every file of the four packages, and nothing else but the wheel's own records."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {n for n in archive.namelist() if ".dist-info/" not in n and not n.endswith("/")}

    expected = {path.removeprefix(ROOTS[root]) for root in ROOTS for path in tracked(root)}
    assert held == expected
    assert wheel.name.endswith("-py3-none-any.whl")


def test_no_file_is_large() -> None:
    """4 MiB at most: a model is the largest thing here."""
    assert [p for p in tracked() if (ROOT / p).stat().st_size > LARGEST_BYTES] == []


def test_nothing_of_one_machine_is_in_the_tree() -> None:
    """No absolute paths of a machine, no package index."""
    found = []
    for path in tracked():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path}: {match.group()}" for match in FOREIGN.finditer(text)]

    assert found == []


def test_the_lock_names_exact_versions_with_hashes() -> None:
    """Every requirement is pinned, hashed, and no local build."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9-]+)==(\S+)", lock, flags=re.MULTILINE)

    assert len(pins) > 30
    assert [name for name, release in pins if "+" in release] == []
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", lock)) >= len(pins)
    assert "index-url" not in lock


def test_the_lock_meets_pyproject() -> None:
    """Each direct dependency is in the lock."""
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [settings["project"]["dependencies"], settings["dependency-groups"]["dev"]]
    groups += settings["project"]["optional-dependencies"].values()
    wanted = {re.split(r"[<>=\[ ]", line)[0] for group in groups for line in group} - {"sweepnet"}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert wanted - set(re.findall(r"^([a-z0-9-]+)==", lock, flags=re.MULTILINE)) == set()
