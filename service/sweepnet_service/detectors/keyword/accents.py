"""A word as speakers of other languages say it: its phones -> those that they put in their place.

Vowels that English reduces are spoken in full, as they are written; sounds that few languages have
give way to their neighbours (Swan and Smith, Learner English, 2001). The programs that speak know
no such speakers: all of their voices reduce alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sweepnet_service.detectors.keyword.near import STRESS

REDUCED_SHARE, OTHER_SHARE = 0.6, 0.15
"""How often a reduced vowel is spoken in full; how often another sound gives way."""
FULL = {"espeak-ng": ("0", "A:", "E", "a", "V", "oU"), "flite": ("aa", "ow", "eh", "ae", "ao")}
REDUCED = {
    "espeak-ng": frozenset({"@", "a#", "@2", "@5", "I2", "I#", "3", "@L"}),
    "flite": frozenset({"ax", "ah", "er"}),
}
INSTEAD: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "espeak-ng": {
        **{"T": ("t", "s", "f"), "D": ("d", "z"), "v": ("w", "b"), "w": ("v",), "z": ("s",)},
        **{"I": ("i:",), "U": ("u:",), "a": ("E", "A:"), "V": ("A:", "0"), "eI": ("E",)},
        **{"oU": ("O:",), "A@": ("A:",), "O@": ("O:",), "dZ": ("tS",), "S": ("s",), "N": ("n",)},
        **{"p": ("b",), "t": ("d",), "k": ("g",), "b": ("p",), "d": ("t",), "g": ("k",)},
    },
    "flite": {
        **{"th": ("t", "s", "f"), "dh": ("d", "z"), "v": ("w", "b"), "w": ("v",), "z": ("s",)},
        **{"ih": ("iy",), "uh": ("uw",), "ae": ("eh", "aa"), "ey": ("eh",), "ow": ("ao",)},
        **{"jh": ("ch",), "sh": ("s",), "ng": ("n",)},
        **{"p": ("b",), "t": ("d",), "k": ("g",), "b": ("p",), "d": ("t",), "g": ("k",)},
    },
}


def accented(phones: Sequence[str], program: str, rng: np.random.Generator) -> list[str]:
    """Phones of a program, each by itself given another accent or left; stress stays."""
    return [_instead(phone, program, rng) for phone in phones]


def _instead(phone: str, program: str, rng: np.random.Generator) -> str:
    plain = phone.lstrip(STRESS)
    reduced = plain in REDUCED[program]
    others = FULL[program] if reduced else INSTEAD[program].get(plain, ())
    if not others or rng.random() >= (REDUCED_SHARE if reduced else OTHER_SHARE):
        return phone
    return phone[: len(phone) - len(plain)] + others[int(rng.integers(len(others)))]
