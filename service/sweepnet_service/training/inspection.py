"""What is wrong with a data set, file by file, found before anything is learnt from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweepnet_service.errors import SweepnetError
from sweepnet_service.progress import Progress, Report, paced
from sweepnet_service.training.order import Problem

if TYPE_CHECKING:
    from sweepnet_service.detectors.image.config import TrainConfig as ImageConfig
    from sweepnet_service.detectors.image.dataset import Entry
    from sweepnet_service.detectors.keyword.config import TrainConfig as KeywordConfig

FEWEST_PICTURES = 4


def problems_of(kind: str, config: Any, report: Report) -> list[Problem]:
    """Problems of the data that a training is configured for; those that refuse it come first.

    Raises InvalidInput where the data cannot be read as a data set at all.
    """
    found = _of_pictures(config, report) if kind == "image" else _of_recordings(config, report)
    return sorted(found, key=lambda problem: (not problem.refused, problem.file))


def _of_recordings(config: KeywordConfig, report: Report) -> list[Problem]:
    from sweepnet_service.detectors.keyword.config import arranged, check, check_classes
    from sweepnet_service.detectors.keyword.gathering import judged_of
    from sweepnet_service.detectors.keyword.verdicts import usable

    config = arranged(config)
    check(config)
    problems: list[Problem] = []
    for data, verdicts, _ in judged_of(config, report):
        problems += [
            Problem(_within(each.recording.path, data.where), each.reason, each.refused)
            for each in verdicts
            if not each.ok
        ]
        if data.where == config.folder and not any(each.refused for each in verdicts):
            try:
                check_classes(usable(data, verdicts), config)
            except SweepnetError as error:
                problems.append(Problem("", error.message, refused=True))
    return problems


def _of_pictures(config: ImageConfig, report: Report) -> list[Problem]:
    from sweepnet_service.detectors.image.dataset import read_listing, read_listing_if_any

    data = config.data
    learnt = [
        *read_listing(data, config.objects, "train"),
        *read_listing_if_any(data, config.negatives, "train"),
    ]
    measured = [
        *read_listing_if_any(data, config.objects, "val"),
        *read_listing_if_any(data, config.negatives, "val"),
    ]
    tell = paced("pictures checked", len(learnt) + len(measured), report)
    problems: list[Problem] = []
    seen: dict[str, tuple[bool, str]] = {}
    for number, entry in enumerate([*learnt, *measured], start=1):
        place = _within(entry.path, data)
        problems += _of_picture(entry, place)
        problems += _of_copies(entry, place, number <= len(learnt), seen)
        tell(number)
    return [*problems, *_of_all(learnt)]


def _of_picture(entry: Entry, place: str) -> Iterator[Problem]:
    from sweepnet_service.detectors.image.pixels import read_picture

    try:
        picture = read_picture(entry.path)
    except SweepnetError as error:
        yield Problem(place, f"unreadable: {error.message}", refused=True)
        return
    width, height = picture.width_px, picture.height_px
    for x_min, y_min, x_max, y_max in entry.boxes.tolist():
        if x_max <= x_min or y_max <= y_min:
            yield Problem(place, f"a box without area, {x_max - x_min:g} x {y_max - y_min:g} px")
        elif x_min >= width or y_min >= height or x_max <= 0 or y_max <= 0:
            yield Problem(
                place,
                f"a box at {x_min:g}, {y_min:g} px lies outside of the picture of {width} x "
                f"{height} px",
                refused=True,
            )


def _of_copies(
    entry: Entry, place: str, learnt: bool, seen: dict[str, tuple[bool, str]]
) -> Iterator[Problem]:
    """The same bytes among what is learnt from and what is measured on would flatter figures."""
    try:
        with entry.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return
    if content not in seen:
        seen[content] = (learnt, place)
        return
    was_learnt, other = seen[content]
    if was_learnt != learnt:
        yield Problem(place, f"the same picture is learnt from: {other}", refused=True)
    else:
        yield Problem(place, f"the same picture is there twice: {other}")


def _of_all(learnt: Sequence[Entry]) -> Iterator[Problem]:
    if not any(len(entry.boxes) for entry in learnt):
        yield Problem("", "no picture to train on has a box; give some annotations", refused=True)
    elif len(learnt) < FEWEST_PICTURES:
        yield Problem(
            "",
            f"got {len(learnt)} pictures to train on; expected {FEWEST_PICTURES} or more",
            refused=True,
        )
    elif all(len(entry.boxes) for entry in learnt):
        yield Problem(
            "", "all pictures to train on have boxes: what is not the object is seen around it only"
        )


def _within(path: Path, data: Path) -> str:
    return path.relative_to(data).as_posix() if path.is_relative_to(data) else path.name


def digest_of(data: Path, report: Report) -> str:
    """SHA-256 over the names and contents of a folder's files, hidden ones left out."""
    found = (path for path in data.rglob("*") if path.is_file() and not _hidden(path, data))
    # By name as text: paths themselves order `a/b` before `a.c`.
    files = sorted((path.relative_to(data).as_posix(), path) for path in found)
    whole, tell = hashlib.sha256(), paced("data set read", len(files), report)
    for number, (name, path) in enumerate(files, start=1):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(line_of(name, content))
        tell(number)
    report(Progress("data set read", len(files), len(files)))
    return whole.hexdigest()


def line_of(path: str, sha256: str) -> bytes:
    """What a file adds to the digest of its data set: `sha256sum` writes the same."""
    return f"{sha256}  {path}\n".encode()


def _hidden(path: Path, data: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(data).parts)
