"""A server of one's own, and a client that needs none of its packages."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from sweepnet import (
    Client,
    InvalidInput,
    NoServerPackage,
    ServerUnavailable,
    _embedded,
    embedded_server,
)
from sweepnet.cli import connection


def test_an_embedded_server_dies_with_its_parent(tiny_models: Path) -> None:
    """Even if that is killed and can tidy up nothing."""
    program = (
        "import time; from sweepnet import embedded_server\n"
        f"with embedded_server({str(tiny_models)!r}) as address:\n"
        "    print(address, flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        path = Path(parent.stdout.readline().strip().removeprefix("unix:"))
        assert path.is_socket()
        assert path.parent.stat().st_mode & 0o077 == 0
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not path.parent.exists():
            break
        time.sleep(0.05)
    assert not path.parent.exists()


def test_an_embedded_server_tells_why_it_cannot_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no folder named"), embedded_server(tmp_path / "none"):
        pass


def test_without_the_servers_packages_the_way_to_get_them_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_embedded, "NEEDED", ("json", "not_there_at_all"))
    with pytest.raises(NoServerPackage) as caught, embedded_server():
        pass
    assert "missing: not_there_at_all" in caught.value.message
    assert "pip install 'sweepnet[server]'" in caught.value.message
    assert "--server HOST:PORT" in caught.value.message


def test_the_client_is_light() -> None:
    """It needs nothing of the server: no NumPy, no core, no service."""
    program = (
        "import sys, sweepnet, sweepnet.cli, sweepnet.cli.spot, sweepnet.cli.detect\n"
        "import sweepnet.cli.models\n"
        "heavy = {'numpy', 'scipy', 'PIL', 'soundfile', 'pydantic', 'cnn_core', "
        "'sweepnet_service'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_draining_server_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any work is sent to it."""

    class Draining:
        address = "there:1"

        def ready(self) -> bool:
            return False

    with pytest.raises(ServerUnavailable, match="the server at there:1 is being stopped"):
        connection._checked(cast("Client", Draining()), ())
