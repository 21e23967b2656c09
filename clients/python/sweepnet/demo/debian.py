"""Telephone prompts from a Debian package, fetched into a cache folder without root.

apt runs with a state, a cache and a configuration of its own; of the machine's it uses only the
list of sources, the keys and the way to the network.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from .download import Say, Unavailable, run

PACKAGE = "asterisk-core-sounds-en-wav"
VOICE = Path("usr/share/asterisk/sounds/en_US_f_Allison")
PROOFS = {
    "pls-hold-while-try.wav": "fe5ad53e001668df176a2848310a1f94e13881ec50a7ae1e4ee0c895ddfc8031",
    "queue-youarenext.wav": "c062839a5d10a7b2b8f8d5e7f814eb6dc7963b03b515bf99f2e07480a6acd4c4",
    "vm-nobodyavail.wav": "bd4c4db613df7ceb63a114033c1452a698f428417961098d9ab1770d648f7b40",
    "dir-welcome.wav": "2c6ba3ee162ca9eccfbad165a9318a84f397705ad5054089f91e5a10872167ec",
    "dir-instr.wav": "7cc12653ebc3e5549149b1569abd5226e96171949d101e20f4634e00d57070a4",
    "queue-thankyou.wav": "9d2f28e00c05c072f6072b0b50296141812f0fc9ed1716851f9b4be580b32193",
    "vm-goodbye.wav": "b6232dee2b67fd5c6c41befd1db1d2197eb3952a37d20f4f5f11df4a5ef6af7d",
}
"""SHA-256 of every prompt that is played."""


def prompts_folder(cache: Path, say: Say) -> Path:
    """The folder of the package's English prompts, downloaded on first use.

    Raises Unavailable where the system has no apt, or no network, or another version.
    """
    home = cache / "prompts"
    if not _genuine(home / VOICE):
        say(f"  fetching it once (18 MB), into {home}")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            unpacked = _fetch(Path(work))
            shutil.rmtree(home, ignore_errors=True)
            unpacked.rename(home)
    foreign = _foreign(home / VOICE)
    if foreign is not None:
        raise Unavailable(f"{PACKAGE} holds another {foreign} than this demo knows")
    return home / VOICE


def _genuine(folder: Path) -> bool:
    return _foreign(folder) is None


def _foreign(folder: Path) -> str | None:
    """The first prompt that is missing, damaged or another than this demo knows."""
    for name, digest in PROOFS.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return name
    return None


def _fetch(work: Path) -> Path:
    """The package's files, downloaded and unpacked below `work`."""
    for folder in ("lists/partial", "archives/partial", "no-parts"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    (work / "apt.conf").write_text(_configuration(work), encoding="utf-8")
    # A source that does not answer must not stop the others: only the download decides.
    variables = {"APT_CONFIG": str(work / "apt.conf")}
    run("apt-get", "update", folder=work, check=False, variables=variables)
    run("apt-get", "download", PACKAGE, folder=work, variables=variables)
    package = max(work.glob(f"{PACKAGE}_*.deb"))
    unpacked = work / "unpacked"
    run("dpkg-deb", "-x", str(package), str(unpacked), folder=work)
    return unpacked


def _configuration(work: Path) -> str:
    """An apt.conf with folders of its own, keeping the machine's proxies and time-outs."""
    dump = run("apt-config", "dump", folder=work)
    kept = [
        line
        for line in dump.splitlines()
        if line.startswith("Acquire::") and not line.startswith("Acquire::IndexTargets")
    ]
    own = {
        "Dir::State::Lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work,
        "Dir::Cache::Archives": work / "archives",
        "Dir::Etc::Parts": work / "no-parts",
        "Acquire::http::Timeout": 20,
        "Acquire::https::Timeout": 20,
        "Acquire::Retries": 1,
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "",
    }
    return "\n".join([*kept, *(f'{key} "{value}";' for key, value in own.items())]) + "\n"
