"""A word put together from pieces of one reader's sentences, where the word itself was never said.

The phone network aligns each sentence with its phones; a piece is a run of phones of the word, cut
half way between phones. What comes before and after stays, so the word stands in real speech.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cnn_core.arrays import Array, Integers
from cnn_core.decode import align
from cnn_core.layers import Layer
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.frontend import FrontEnd
from sweepnet_service.detectors.keyword.trunk import Transcribed, pad

CONTEXT_FRAMES = 100
LONGEST_PHONE_FRAMES = 15


@dataclass(frozen=True)
class Aligned:
    """Sentences with the frame at which each phone begins: `cuts[i]` has one more than phones."""

    bank: Bank
    phones: Sequence[Integers]
    cuts: Sequence[Integers]
    speakers: Sequence[str]


@dataclass(frozen=True)
class Piece:
    """Frames [first, past) of a sentence."""

    row: int
    first: int
    past: int


def aligned(
    net: Layer,
    speech: Transcribed,
    spellings: Sequence[tuple[int, ...]],
    front: FrontEnd,
    at_most: int = 1_500,
) -> Aligned:
    """The sentences that share most with the word, aligned by the phone network."""
    bank, phones = speech.copies[0], speech.phones
    shared = np.array([longest_shared(spellings, labels) for labels in phones])
    best = np.argsort(-shared, kind="stable")[:at_most]
    useful = set(best[shared[best] > 0].tolist())
    cuts = []
    for index, labels in enumerate(phones):
        fits = index in useful and bank.lengths[index] > 6 * len(labels)
        fed = front.from_log_mel(pad([bank[index]], front.log_mel)) if fits else None
        logits = np.zeros((0, 1)) if fed is None else net.forward(fed)[0]
        cuts.append(boundaries(align(logits, labels)) if fits else np.zeros(0, np.intp))
    return Aligned(bank, phones, cuts, speech.speakers)


def longest_shared(spellings: Sequence[tuple[int, ...]], labels: Integers) -> int:
    """How many phones of the word the sentence holds in a row."""
    text = as_text(labels)
    return max(
        (
            past - first
            for word in spellings
            for first in range(len(word))
            for past in range(first + 1, len(word) + 1)
            if as_text(word[first:past]) in text
        ),
        default=0,
    )


def boundaries(spans: Integers, step_frames: int = 3) -> Integers:
    """From the first and last step of each phone (L, 2) to frames that begin phones, (L + 1,)."""
    between = (spans[:-1, 1] + spans[1:, 0]) * step_frames / 2
    first, last = spans[0, 0] * step_frames - 3, spans[-1, 1] * step_frames + 4
    return np.round(np.concatenate([[first], between, [last]])).astype(np.intp)


def spliced(
    spellings: Sequence[tuple[int, ...]], speech: Aligned, count: int, rng: np.random.Generator
) -> Iterator[tuple[Array, tuple[float, float]]]:
    """Up to `count` spliced words with their context, frames (T, bands), and the word's place."""
    known: dict[tuple[int, ...], dict[str, list[Piece]]] = {}
    for _ in range(count):
        word = spellings[int(rng.integers(len(spellings)))]
        parts = cut_word(word, rng)
        known |= {part: occurrences(part, speech) for part in parts if part not in known}
        found = [known[part] for part in parts]
        readers = sorted(set.intersection(*(set(places) for places in found)))
        if readers:
            reader = readers[int(rng.integers(len(readers)))]
            drawn = [places[reader][int(rng.integers(len(places[reader])))] for places in found]
            yield joined(drawn, speech.bank)


def cut_word(word: tuple[int, ...], rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The word's phones in two or three pieces."""
    pieces = min(len(word), int(rng.integers(2, 4)))
    cuts = sorted(rng.choice(np.arange(1, len(word)), pieces - 1, replace=False).tolist())
    return [word[a:b] for a, b in zip([0, *cuts], [*cuts, len(word)], strict=True)]


def occurrences(part: tuple[int, ...], speech: Aligned) -> dict[str, list[Piece]]:
    """Where readers say these phones one after the other, without a pause between them."""
    found: dict[str, list[Piece]] = defaultdict(list)
    wanted = re.compile(re.escape(as_text(part)))
    for row, (labels, cuts) in enumerate(zip(speech.phones, speech.cuts, strict=True)):
        if not len(cuts):
            continue
        for match in wanted.finditer(as_text(labels)):
            first, past = int(cuts[match.start()]), int(cuts[match.end()])
            if 3 * len(part) <= past - first <= LONGEST_PHONE_FRAMES * len(part):
                found[speech.speakers[row]].append(Piece(row, max(0, first), past))
    return found


def as_text(labels: Iterable[int]) -> str:
    """Phone numbers as characters, to search in."""
    return "".join(chr(64 + int(label)) for label in labels)


def joined(pieces: Sequence[Piece], bank: Bank) -> tuple[Array, tuple[float, float]]:
    """Pieces one after the other, what comes before the first and after the last with them."""
    before = max(0, pieces[0].first - CONTEXT_FRAMES)
    lead = bank[pieces[0].row][before : pieces[0].first]
    word = [bank[piece.row][piece.first : piece.past] for piece in pieces]
    last = pieces[-1]
    tail = bank[last.row][last.past : last.past + CONTEXT_FRAMES]
    length = sum(map(len, word))
    return np.concatenate([lead, *word, tail]), (float(len(lead)), float(len(lead) + length))
