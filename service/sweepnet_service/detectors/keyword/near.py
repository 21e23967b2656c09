"""Words that are nearly the keyword, for any keyword: what it must not be mistaken for.

- by spelling: its halves and words, its beginning with other endings, its end with other beginnings
- by sound: its phones with one of four (at least one) replaced by one that sounds unlike it

What differs from the keyword only as speakers of one language do ("happee", "appy") is no near word
but the word itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sweepnet_service.detectors.keyword.dataset import forms

BEGINNINGS = ("be", "un", "re", "over", "in")
ENDINGS = ("ing", "er", "ly", "ton", "is")
SHORTEST_HALF = 2
CHANGED_OF = 4
STRESS = "',%="
NEAR_WELCOME = (
    *("well", "come", "will come", "well can", "become", "wellness", "helicopter", "malcolm"),
    *("income", "well done", "wilkins", "whale", "walk him", "welding", "wealthy", "william"),
    *("elbow", "outcome", "we'll call", "well count", "well cut", "volcano", "welcher", "calm"),
    *("falcon", "silicon", "belgium", "overcome", "when can", "will come in", "local", "vulcan"),
    *("will can", "web come", "wet comb", "walkman", "weltering", "wilton", "comb", "well come on"),
)
ALIKE = {
    "espeak-ng": (
        (("i:", "i", "I"), ("E", "eI"), ("a", "aU"), ("0", "O:", "A:", "oU"), ("u:", "U")),
        (("p", "b"), ("t", "d"), ("k", "g"), ("m", "n", "N"), ("f", "v", "T", "D"), ("h",)),
        (("s", "z", "S", "Z"), ("tS", "dZ"), ("l",), ("r",), ("w",), ("j",)),
    ),
    "flite": (
        (("iy", "ih"), ("eh", "ey"), ("ae", "aw"), ("aa", "ao", "ow"), ("uw", "uh")),
        (("p", "b"), ("t", "d"), ("k", "g"), ("m", "n", "ng"), ("f", "v", "th", "dh"), ("hh",)),
        (("s", "z", "sh", "zh"), ("ch", "jh"), ("l",), ("r",), ("w",), ("y",)),
    ),
}
"""Phones of each program that are easily taken for one another: a row of vowels, two of consonants.
A phone is replaced by the first of another group of its row; reduced vowels, which vary anyway,
are in none and stay."""


def near_words(keyword: str) -> tuple[str, ...]:
    """Texts that share a part with the keyword, never one of its forms."""
    if keyword == "welcome":
        return NEAR_WELCOME
    parts = keyword.split()
    found = [*parts, *(" ".join(parts[:at] + parts[at + 1 :]) for at in range(len(parts)))]
    for part in parts:
        first, second = part[: (len(part) + 1) // 2], part[len(part) // 2 :]
        if len(second) >= SHORTEST_HALF:
            found += [first, second]
            found += [first + ending for ending in ENDINGS]
            found += [beginning + second for beginning in BEGINNINGS]
    same = forms(keyword)
    return tuple(dict.fromkeys(text for text in found if text and text not in same))


def changed(phones: Sequence[str], program: str, rng: np.random.Generator) -> list[str]:
    """Phones of a program with one of four, at least one, replaced by one that sounds unlike it."""
    fixed = [place for place, phone in enumerate(phones) if _row(phone, program)]
    count = min(len(fixed), max(1, round(len(phones) / CHANGED_OF)))
    chosen = set(rng.choice(fixed, count, replace=False).tolist()) if fixed else set()
    return [
        _another(phone, program, rng) if place in chosen else phone
        for place, phone in enumerate(phones)
    ]


def _row(phone: str, program: str) -> tuple[tuple[str, ...], ...]:
    """The row of groups that the phone belongs to, () for none."""
    plain = phone.lstrip(STRESS)
    return next((row for row in ALIKE[program] if any(plain in group for group in row)), ())


def _another(phone: str, program: str, rng: np.random.Generator) -> str:
    """The first phone of another group of its row, with the same stress."""
    plain = phone.lstrip(STRESS)
    others = [group[0] for group in _row(phone, program) if plain not in group]
    return phone[: len(phone) - len(plain)] + others[int(rng.integers(len(others)))]
