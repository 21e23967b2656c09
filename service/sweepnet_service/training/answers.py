"""Answers to captures as a part of what a training learns from: staged once, in the job's folder.

    place/staging.json      the ids of the captures of which copies may be there; written first
    place/data/<name>/...   the data set's files (links to them), and one more for each answer
    place/answers.json      the ids of the captures that are in it; written last

Answers are learnt from and never measured on: a detector that was unsure there before would be
measured where it is worst.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from cnn_core.modelfile import write_whole
from sweepnet_service.captures import Capture, Captures
from sweepnet_service.captures.capture import identity_of
from sweepnet_service.errors import FailedPrecondition, NotFound
from sweepnet_service.training.order import Order
from sweepnet_service.training.places import PLACES

STAGING, STAGED = "staging.json", "answers.json"
Answered: TypeAlias = tuple[Capture, bytes]
"""A capture with its content."""
LOCK = "lock"


def with_answers(order: Order, place: Path) -> tuple[Path, int]:
    """The folder of data with the answers to what its detector was unsure of, and their number; the
    folder as it is where there are none.

    Staged once: a training that goes on goes on with the same data. Raises InvalidInput where the
    data has a form that nothing can be added to.
    """
    if not order.captures:
        return order.data, 0
    if not (place / STAGED).exists():
        shutil.rmtree(place / "data", ignore_errors=True)
        answered = _answered(order, Captures(Path(order.captures)), place)
        if answered:
            _stage(order, answered, place / "data" / order.data.name)
        kept = json.dumps([each.id for each, _ in answered])
        write_whole(place / STAGED, kept.encode())
    staged = staged_in(place)
    # Absolute, as clients are told of no folder of the server.
    made = (place / "data" / order.data.name).resolve()
    return (made if staged else order.data), len(staged)


def _concerns(capture: Capture, order: Order) -> bool:
    """Whether an answer tells something of what is trained: of another word it tells nothing."""
    words = {word.lower() for word in order.labels}
    seen = capture.sighting
    known = order.kind == "image" or not words or seen.label in words
    return seen.detector == order.model and seen.kind == order.kind and known


def _answered(order: Order, captures: Captures, place: Path) -> list[Answered]:
    """The captures that concern an order, once it is written that there may be copies of them."""
    with captures.alone():
        chosen = [each for each in captures.all() if each.answer and _concerns(each, order)]
        write_whole(place / STAGING, json.dumps([each.id for each in chosen]).encode())
    found: list[Answered] = []
    for each in chosen:
        with suppress(NotFound):
            found.append((each, captures.content(each.name)))
    return found


def _stage(order: Order, answered: Sequence[Answered], into: Path) -> None:
    linked(order.data, into)
    if order.kind == "keyword":
        from sweepnet_service.training.staged_words import add_words

        add_words(into, answered)
    else:
        from sweepnet_service.training.staged_pictures import add_pictures

        add_pictures(into, order.settings, answered)


def linked(folder: Path, into: Path) -> None:
    """The folder's files at another place, without copying them where the disk is the same."""
    shutil.copytree(folder, into, copy_function=_link)


def _link(source: str, target: str) -> str:
    # What a link leads to, not the link: it may be relative.
    real = os.path.realpath(source)
    try:
        os.link(real, target)
    except OSError:
        shutil.copy2(real, target)
    return target


def staged_in(place: Path) -> list[str]:
    """The ids of the captures that a job learns from."""
    return _ids_in(place / STAGED)


def _ids_in(path: Path) -> list[str]:
    try:
        return [str(each) for each in json.loads(path.read_text())]
    except (OSError, ValueError):
        return []


def learning_from(models: Path | None, identity: str) -> list[Path]:
    """The folders of jobs that may hold a copy of a capture."""
    if models is None:
        return []
    lists = [path for name in (STAGING, STAGED) for path in (models / PLACES).glob(f"*/{name}")]
    return sorted({path.parent for path in lists if identity in _ids_in(path)})


def in_use(models: Path | None, identity: str) -> bool:
    """Whether a training that runs learns from a capture; of others the copies, and what was made
    of them, are removed: those that wait or are resumed begin anew, without.
    """
    from sweepnet_service.training.worker import locked

    for place in learning_from(models, identity):
        with locked(place / LOCK) as held:
            if held is None:
                return True
            shutil.rmtree(place, ignore_errors=True)
    return False


def forget_capture(captures: Captures, name: str, models: Path | None) -> None:
    """Delete a capture and every copy of it; raises FailedPrecondition while a training runs that
    learns from it, NotFound where there is none.
    """
    captures.get(name)
    with captures.alone():
        if in_use(models, identity_of(name)):
            raise FailedPrecondition(
                "name", f"a training learns from {name} now; cancel it, or wait for its end"
            )
        captures.delete(name)
