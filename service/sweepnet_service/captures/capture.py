"""One detection near its threshold, and what a person said about it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sweepnet_service.errors import InvalidInput, shown

COLLECTION = "captures/"
Answer = Literal["", "yes", "no"]
ANSWERS: tuple[Answer, ...] = ("", "yes", "no")
IDENTITY = re.compile(r"[0-9]{8}t[0-9]{6}-[0-9a-f]{8}")


@dataclass(frozen=True)
class Sighting:
    """A score near its threshold. Of audio the word's place in seconds of its clip, of a picture
    the object's left, top, right, bottom in pixels after the EXIF turn; the other is empty.

    `detector` is its plain name, whichever version or alias was asked for.
    `group` is the same for what one stream brought: such clips sound alike.
    """

    kind: str
    detector: str
    label: str
    score: float
    threshold: float
    group: str
    word_s: tuple[float, ...] = ()
    area_px: tuple[float, ...] = ()


@dataclass(frozen=True)
class Capture:
    """A sighting that is kept until `expires_s`; times in seconds since 1970."""

    id: str
    sighting: Sighting
    created_s: float
    expires_s: float
    size_bytes: int
    answer: Answer = ""

    @property
    def name(self) -> str:
        """`captures/20261121t183002-1f3a5b7c`."""
        return COLLECTION + self.id

    def to_json(self) -> bytes:
        """The record as it is written."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, allow_nan=False).encode()


def from_json(record: bytes) -> Capture | None:
    """The capture that `to_json` wrote; None for anything else."""
    try:
        told = json.loads(record)
        sighting = _sighting(told.pop("sighting"))
        read = Capture(sighting=sighting, **told)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    numbers = (read.created_s, read.expires_s, read.size_bytes, sighting.score, sighting.threshold)
    good = read.answer in ANSWERS and all(isinstance(each, int | float) for each in numbers)
    return read if good else None


def _sighting(told: Mapping[str, Any]) -> Sighting:
    places = {name: tuple(map(float, told[name])) for name in ("word_s", "area_px")}
    if tuple(map(len, places.values())) not in ((2, 0), (0, 4)):
        raise ValueError("neither a word's place nor an object's")
    return Sighting(**{**told, **places})


def identity_of(name: str) -> str:
    """The id in a capture's name; raises InvalidInput if it is none."""
    identity = name.removeprefix(COLLECTION)
    if identity == name or not IDENTITY.fullmatch(identity):
        raise InvalidInput(
            "name",
            f"got {shown(name)}; expected a name such as 'captures/20261121t183002-1f3a5b7c'",
        )
    return identity
