"""Documents cannot drift: commands, settings and examples are checked against the program."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sweepnet.cli import build
from sweepnet_service.server.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    import typer

    return sorted(typer.main.get_command(build([])).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", commands())
def test_every_command_is_in_the_readme_and_has_help(name: str) -> None:
    """A new command must be told of."""
    import typer

    command = typer.main.get_command(build([])).commands[name]  # type: ignore[attr-defined]

    assert command.help
    assert f"sweepnet {name}" in README
    assert f"## sweepnet {name}" in COMMANDS


def verbs_of_groups() -> list[tuple[str, str]]:
    """`models show` and the like."""
    import typer

    every = typer.main.get_command(build([])).commands  # type: ignore[attr-defined]
    return [(name, verb) for name in commands() for verb in getattr(every[name], "commands", ())]


@pytest.mark.parametrize(("group", "verb"), verbs_of_groups())
def test_every_verb_of_a_group_is_in_the_readme(group: str, verb: str) -> None:
    """In the line that tells of its group."""
    (told,) = [line for line in README.splitlines() if line.startswith(f"sweepnet {group} ")][:1]
    assert re.search(rf"\b{verb}\b", told), told


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_docs(name: str) -> None:
    """As a flag and as a variable."""
    assert f"`--{name.replace('_', '-')}`" in COMMANDS
    assert f"{PREFIX}{name.upper()}" in COMMANDS


def test_the_page_of_commands_is_up_to_date() -> None:
    """It is written by a script."""
    command = [sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_the_readme_names_only_make_targets_that_exist() -> None:
    """`make X` in any document is a target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
    named = {
        target
        for page in pages
        for target in re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8"))
    }

    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_links_lead_somewhere() -> None:
    """Relative links of the pages at the root and in docs/ point at files that exist."""
    broken = [
        f"{page.name}: {target}"
        for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []


def test_the_readme_example_runs(tmp_path: Path) -> None:
    """The Python session of the README, on the demo's own recording and picture."""
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assets = ROOT / "clients/python/sweepnet/demo/assets"
    shutil.copy(assets / "welcome.wav", tmp_path / "announcement.wav")
    Image.open(assets / "flower.png").save(tmp_path / "garden.jpg", quality=92)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("welcome from 0.")
    assert "flower at x " in done.stdout
