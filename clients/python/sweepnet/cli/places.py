"""Where a verb writes: one file for one recording, a folder with one for each of several."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import typer


def places(out: str, files: Sequence[str], suffix: str, option: str) -> Mapping[str, Path]:
    """The file to write for each recording: `out` itself, or in the folder `out` one of its name.

    A folder is one that exists or ends with a slash, and whatever several recordings go to.
    Raises BadParameter where two recordings or an input would be written over.
    """
    path = Path(out)
    folder = out.endswith(("/", os.sep)) or path.is_dir()
    if len(files) == 1 and not folder:
        found = {files[0]: path}
        if path.suffix.lower() != suffix:
            raise typer.BadParameter(
                f"got {out!r}; expected the name of a {suffix} file, or a folder",
                param_hint=option,
            )
    else:
        if path.suffix and not folder:
            raise typer.BadParameter(
                f"got {out!r} for {len(files)} recordings; expected a folder, such as "
                f"{path.stem}/, for one {suffix} each",
                param_hint=option,
            )
        found = {name: path / f"{stem}{suffix}" for name, stem in stems(files, option).items()}
    for place in found.values():
        check_free(place, files, option)
    check_writable(next(iter(found.values())).parent if found else path, out, option)
    return found


def stems(files: Sequence[str], option: str) -> Mapping[str, str]:
    """The recordings' names without folder and suffix; raises BadParameter where two are one."""
    found = {name: Path(name).stem for name in files}
    stem, count = Counter(Path(name).stem for name in files).most_common(1)[0]
    if count > 1:
        raise typer.BadParameter(
            f"{count} recordings are named {stem!r} and would share a name there; "
            "call it for each, or rename them",
            param_hint=option,
        )
    return found


def check_free(place: Path, files: Sequence[str], option: str) -> None:
    """Raises BadParameter where a file would be written over an input, or over a folder."""
    if place.is_dir():
        raise typer.BadParameter(f"got {str(place)!r}, a folder", param_hint=option)
    for name in files if place.exists() else ():
        if Path(name).exists() and place.samefile(name):
            raise typer.BadParameter(
                f"got {str(place)!r}, the very file to look at; expected another name",
                param_hint=option,
            )


def check_writable(folder: Path, out: str, option: str) -> None:
    """Raises BadParameter where nothing can be written to the folder; tried, with nothing left."""
    folder = folder.absolute()
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        # Permissions do not tell: a read-only disk and /proc refuse even what they allow.
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        nearest = new[-1].parent if new else folder
        raise typer.BadParameter(
            f"got {out!r}; {nearest} is no folder that can be written to ({error.strerror})",
            param_hint=option,
        ) from None
    finally:
        for each in new:
            with suppress(OSError):
                each.rmdir()


def write(path: Path, text: str) -> None:
    """The file, whole or not at all, in a new folder if need be; OSError names it."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        part.unlink(missing_ok=True)
