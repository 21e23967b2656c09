"""The built wheel in an empty environment: light first, then with the extra [server]."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ROOT / "clients/python/sweepnet/demo/assets"
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


class Installed:
    """An environment with sweepnet in it, away from the checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in an empty folder."""
        hidden = ("PYTHONPATH", "VIRTUAL_ENV", "SWEEPNET_MODELS")
        environment = {k: v for k, v in os.environ.items() if k not in hidden}
        done = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.folder,
            env={**environment, "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("sweepnet-*-py3-none-any.whl")
    return built


@pytest.fixture(scope="module")
def light(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """`pip install sweepnet` and no more."""
    installed = Installed(tmp_path_factory.mktemp("light"))
    subprocess.run([sys.executable, "-m", "venv", str(installed.folder / "venv")], check=True)
    installed.run("python", *PIP, str(wheel))
    return installed


@pytest.fixture(scope="module")
def full(light: Installed, wheel: Path) -> Installed:
    """The same environment with [server]; tests of `light` have run by then."""
    light.run("python", *PIP, f"{wheel}[server]")
    return light


@pytest.fixture(scope="module")
def recording(light: Installed) -> Path:
    """A synthetic voice that says the word."""
    path = light.folder / "x.wav"
    subprocess.run(["espeak-ng", "-w", str(path), "You are welcome to stay."], check=True)
    return path


@pytest.mark.timeout(600)
def test_importing_the_client_is_light(light: Installed) -> None:
    """`import sweepnet` works where NumPy is not installed."""
    done = light.run("python", "-c", "import sweepnet, sys; print('numpy' in sys.modules)")

    assert done.stdout.strip() == "False"
    assert light.run("python", "-c", "import numpy", check=False).returncode != 0


def test_without_the_server_it_says_how_to_get_it(light: Installed, recording: Path) -> None:
    """A verb that needs an embedded server names the extra and the way to install it."""
    done = light.run("sweepnet", "spot", recording.name, check=False)

    assert done.returncode != 0
    assert "[server]" in done.stdout + done.stderr
    assert "pip install" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_help_works_without_the_server(light: Installed) -> None:
    """Every client verb is listed."""
    told = light.run("sweepnet", "--help").stdout

    for verb in ("spot", "detect", "models", "demo"):
        assert verb in told


@pytest.mark.timeout(600)
def test_the_shipped_models_are_there(full: Installed) -> None:
    """`sweepnet models` lists both."""
    told = full.run("sweepnet", "models").stdout

    assert "welcome" in told
    assert "flower" in told


def test_the_word_is_found_and_only_it(full: Installed) -> None:
    """`sweepnet spot --json` through an embedded server, on the recordings that it carries."""
    paths = [str(ASSETS / f"{name}.wav") for name in ("hold", "welcome", "press")]
    told = full.run("sweepnet", "spot", *paths, "--json").stdout.splitlines()
    events = {Path(a["source"]).stem: a["events"] for a in map(json.loads, told)}

    assert (events["hold"], events["press"]) == ([], [])
    (event,) = events["welcome"]
    assert event["label"] == "welcome"
    assert event["start_s"] == pytest.approx(0.0, abs=0.3)
    assert event["end_s"] == pytest.approx(0.48, abs=0.3)
    assert event["score"] >= 0.5


def test_the_flower_is_found_and_only_it(full: Installed) -> None:
    """`sweepnet detect --json` boxes it where it was drawn."""
    paths = [str(ASSETS / name) for name in ("flower.png", "hills.png")]
    told = full.run("sweepnet", "detect", *paths, "--json").stdout.splitlines()
    flower, hills = map(json.loads, told)

    assert (flower["width_px"], flower["height_px"]) == (340, 240)
    assert hills["boxes"] == []
    (box,) = flower["boxes"]
    edges = [box[name] for name in ("x_min_px", "y_min_px", "x_max_px", "y_max_px")]
    assert edges == pytest.approx([95, 45, 245, 195], abs=30)
    assert min(flower["scores"]["flower"], box["score"]) > hills["scores"]["flower"]
