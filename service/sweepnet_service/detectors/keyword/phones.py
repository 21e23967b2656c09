"""Sentences as phones, as flite pronounces them: text -> one number per phone, 0 kept for blank."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sweepnet_service.errors import FailedPrecondition, InvalidInput

PHONES = (
    *("aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey"),
    *("f", "g", "hh", "ih", "iy", "jh", "k", "l", "m", "n", "ng", "ow", "oy"),
    *("p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z", "zh"),
)
BLANK = 0
NUMBERS = {phone: 1 + index for index, phone in enumerate(PHONES)} | {"ax": 3, "pau": BLANK}


def pronounce(text: str) -> list[str]:
    """The phones of one sentence, without pauses. Raises FailedPrecondition without flite."""
    program = shutil.which("flite")
    if program is None:
        raise FailedPrecondition("flite", "the program is not installed; apt-get install flite")
    command = [program, "-ps", "-t", text.lower() + " .", "none"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    spoken = done.stdout.split()
    return [phone for phone in spoken if NUMBERS.get(phone, BLANK) != BLANK]


def numbers(spelling: str) -> tuple[int, ...]:
    """Phone numbers of a spelling such as "w eh l k ah m". Raises InvalidInput."""
    unknown = [phone for phone in spelling.split() if NUMBERS.get(phone, BLANK) == BLANK]
    if unknown or not spelling.split():
        raise InvalidInput(
            "pronunciations", f"got {spelling!r} with {unknown}; expected phones {' '.join(PHONES)}"
        )
    return tuple(NUMBERS[phone] for phone in spelling.split())


def pronounce_all(sentences: Iterable[str], cache: Path) -> dict[str, list[int]]:
    """Phone numbers of each sentence; those in the JSON file `cache` are not asked for again."""
    known = json.loads(cache.read_text()) if cache.exists() else {}
    missing = sorted(set(sentences) - set(known))
    known |= {text: [NUMBERS[phone] for phone in pronounce(text)] for text in missing}
    if missing:
        partial = cache.with_suffix(".partial")
        partial.write_text(json.dumps(known))
        partial.replace(cache)
    return {text: known[text] for text in known}
