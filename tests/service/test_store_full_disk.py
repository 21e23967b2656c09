"""A disk that is really full, a small tmpfs: what is there stays whole, and goes on with room."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MOUNTED = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
"""Run as root of a namespace of its own: the mount ends with the process."""


def in_namespace(size: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    unshared = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNTED, "sh"]
    return subprocess.run(
        [*unshared, size, str(folder), *command], capture_output=True, text=True, timeout=200
    )


@pytest.fixture(scope="module", autouse=True)
def can_mount(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Namespaces are not allowed everywhere."""
    folder = tmp_path_factory.mktemp("mounted")
    if not shutil.which("unshare") or in_namespace("1m", folder, "true").returncode:
        pytest.skip("needs a tmpfs of its own (unshare, mount)")


PUBLISHING = """
import errno, sys
from pathlib import Path
from sweepnet_service.store import Versions
from sweepnet_service.store.version import check_content

disk, made = Path(sys.argv[1]), Path(sys.argv[2])
versions = Versions(disk)
versions.publish("detectors/a", made)
versions.promote("detectors/a", 1)
refused = []
for room in (None, 0, 4096, 8192):
    filler = disk / "filler"
    if room is not None:
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                file.truncate(max(0, file.tell() - room))
    for work in (lambda: versions.publish("detectors/a", made),
                 lambda: versions.promote("detectors/a", versions.of("detectors/a")[-1].number)):
        try:
            work()
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            refused.append(room)
    for version in versions.of("detectors/a"):
        check_content(version)
    assert versions.named_by("detectors/a").number == versions.aliases("detectors/a")["live"]
    assert not list(disk.rglob("*.tmp"))
    filler.unlink(missing_ok=True)
assert set(refused) == {None, 0, 4096, 8192}, refused
made.write_bytes(b"w" * 1000)
number = versions.publish("detectors/a", made).number
versions.promote("detectors/a", number)
assert versions.named_by("detectors/a").number == number
"""


def test_publish_and_promote(tmp_path: Path) -> None:
    """Without room for the model, for its record, for the move of the alias."""
    disk, made = tmp_path / "disk", tmp_path / "made"
    disk.mkdir()
    made.write_bytes(b"w" * 700_000)
    done = in_namespace("1m", disk, sys.executable, "-c", PUBLISHING, str(disk), str(made))
    assert done.returncode == 0, done.stderr


TRAINING = """
import sys
from pathlib import Path
from sweepnet_service.progress import ignored
from sweepnet_service.training import child, labour
from sweepnet_service.training.order import Order

disk, data, elsewhere = map(Path, sys.argv[1:])
settings = {"pictures": 16, "batch": 4, "aside_share": 0.3, "detect_size_px": 64,
            "checkpoint_every": 1}
order = Order("image", "detectors/a", data, settings, data_set="flowers")
said = []

class Voice:
    def say(self, event, **told):
        said.append((event, told))
    def progress(self, progress):
        if progress.stage == "reading pictures":
            with open(disk / "filler", "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(b"x" * 65536)
                except OSError:
                    pass

(disk / "place").mkdir()
(disk / "models").mkdir()
told = {"order": order.to_json(), "place": str(disk / "place"), "models": str(disk / "models")}
child.work(told, Voice())
event, what = said[-1]
assert event == "error" and "No space left on device" in what["message"], said[-1]
assert not list(disk.rglob("*.tmp"))
(disk / "filler").unlink()
made = labour.done(order, disk / "place", disk / "models", lambda *_, **__: None, ignored)
(elsewhere / "models").mkdir()
alone = labour.done(order, elsewhere, elsewhere / "models", lambda *_, **__: None, ignored)
assert Path(made["path"]).read_bytes() == Path(alone["path"]).read_bytes()
"""


def test_a_checkpoint(flower_data: Path, tmp_path: Path) -> None:
    """The training tells what to do; with room it goes on, to the model of an undisturbed one."""
    disk, elsewhere = tmp_path / "disk", tmp_path / "elsewhere"
    disk.mkdir()
    elsewhere.mkdir()
    command = [sys.executable, "-c", TRAINING, str(disk), str(flower_data), str(elsewhere)]
    done = in_namespace("64m", disk, *command)
    assert done.returncode == 0, done.stderr
