"""The same server and detectors as the service's tests use, and the command line to run."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from sweepnet.cli import main

Done = CompletedProcess[str]
Sweepnet = Callable[..., Done]

_place = Path(__file__).resolve().parents[1] / "service" / "conftest.py"
_spec = importlib.util.spec_from_file_location("service_fixtures", _place)
assert _spec is not None
assert _spec.loader is not None
_fixtures = importlib.util.module_from_spec(_spec)
sys.modules["service_fixtures"] = _fixtures
_spec.loader.exec_module(_fixtures)

flower_data = _fixtures.flower_data
noise = _fixtures.noise
server = _fixtures.server
tiny_models = _fixtures.tiny_models


@pytest.fixture
def sweepnet(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sweepnet:
    """Runs the command line in this process, which is quicker than one for each."""

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["sweepnet", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        assert "Traceback" not in told.err, told.err
        return Done(sys.argv, int(ended.value.code or 0), told.out, told.err)

    return run
