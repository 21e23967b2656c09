"""The two photos that scikit-learn ships, taken from its wheel; or a drawn pair."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .download import Say, Unavailable, run

FOLDER = "sklearn/datasets/images"
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """A picture; `flower_px` is the true (x_min, y_min, x_max, y_max), None without a flower."""

    path: Path
    credit: str
    flower_px: Corners | None


# The box was read off the photo by eye, to about 2 px.
FLOWER = ("flower.jpg", "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638")
FLOWER_PX = (169.0, 85.0, 445.0, 359.0)
CHINA = ("china.jpg", "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29")


def photos(cache: Path, say: Say) -> tuple[Picture, Picture]:
    """(with a flower, without): the photos of scikit-learn. Raises Unavailable."""
    for folder in _folders(cache, say):
        if all(_genuine(folder / name, digest) for name, digest in (FLOWER, CHINA)):
            return (
                Picture(folder / FLOWER[0], "flower.jpg by vultilion, CC BY 2.0", FLOWER_PX),
                Picture(folder / CHINA[0], "china.jpg by danielbuechele, CC BY 2.0", None),
            )
    raise Unavailable("scikit-learn's wheel holds other photos than this demo knows")


def drawings(assets: Path) -> tuple[Picture, Picture]:
    """(with a flower, without): pictures drawn by a program, carried by the repository."""
    return (
        Picture(assets / "flower.png", "a drawn flower", (95.0, 45.0, 245.0, 195.0)),
        Picture(assets / "hills.png", "drawn hills", None),
    )


def _folders(cache: Path, say: Say) -> Iterator[Path]:
    """Where the photos may be: an installed scikit-learn, the cache, then its wheel."""
    found = importlib.util.find_spec("sklearn")
    if found is not None and found.origin is not None:
        yield Path(found.origin).parent / "datasets" / "images"
    yield cache / "photos"
    say(f"  fetching them once (9 MB), into {cache / 'photos'}")
    _fetch(cache / "photos")
    yield cache / "photos"


def _genuine(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _fetch(folder: Path) -> None:
    """Download scikit-learn's wheel (9 MB), keep its two photos."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        _download(Path(work))
        wheel = next(Path(work).glob("scikit_learn-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for name, _ in (FLOWER, CHINA):
                (folder / name).write_bytes(archive.read(f"{FOLDER}/{name}"))


def _download(folder: Path) -> None:
    """Put scikit-learn's wheel into `folder`. Raises Unavailable."""
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "--timeout=20", "--retries=1"]
    run(*command, "--dest", str(folder), "scikit-learn", folder=folder)
