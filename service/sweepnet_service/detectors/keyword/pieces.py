"""Pieces of features to learn words from: cut where a word lies, or anywhere in other sound.

A piece is as long as the network needs for 13 scores, so that a word may lie 0.2 s beside the
middle; each is drawn afresh and changed by `Spectral`, so that no two steps see the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cnn_core.arrays import Array, Integers
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.features import expand

LONGEST_WORD = 130
"""Frames; what is told to be longer is a recording with the word somewhere."""
LOUDEST = 80
JITTER = 6


@dataclass(frozen=True)
class Words:
    """Recordings of one word with the middle of the word in each, in frames."""

    bank: Bank
    rows: Integers
    middles: Array

    @classmethod
    def of(cls, bank: Bank) -> Words:
        """All recordings of a bank that have a place for the word: in the middle of the place, or
        in the loudest 0.8 s where it is too long for a word.
        """
        rows = np.flatnonzero(np.isfinite(bank.words).all(axis=1))
        return cls(bank, rows, np.array([word_middle(bank, int(row)) for row in rows]))

    @classmethod
    def somewhere(cls, bank: Bank) -> Words:
        """All recordings of a bank, with the word in the loudest 0.8 s of each."""
        rows = np.arange(len(bank))
        return cls(bank, rows, np.array([loudest(bank[int(row)]) for row in rows]))

    def draw(self, frames: int, silence: float, rng: np.random.Generator) -> Array:
        """A piece (frames, bands) with the word about its middle."""
        place = int(rng.integers(len(self.rows)))
        first = round(self.middles[place] - frames / 2) + int(rng.integers(-JITTER, JITTER + 1))
        return piece(self.bank[int(self.rows[place])], first, frames, silence)

    def draw_among(self, others: Others, frames: int, rng: np.random.Generator) -> Array:
        """The word, cut close, in the midst of other sound; alone where its place is unknown."""
        place = int(rng.integers(len(self.rows)))
        row = int(self.rows[place])
        start, end = self.bank.words[row]
        silence = others.silence
        if not end - start <= LONGEST_WORD:
            return self.draw(frames, silence, rng)
        values = self.bank[row]
        first = round(self.middles[place] - frames / 2) + int(rng.integers(-JITTER, JITTER + 1))
        margin = int(rng.integers(2, 9))
        low = max(0, first, int(start) - margin)
        high = min(len(values), first + frames, int(end) + margin)
        cut = others.draw(frames, rng)
        cut[low - first : high - first] = values[low:high]
        return cut


def word_middle(bank: Bank, row: int) -> float:
    """The middle of a recording's word, in frames."""
    start, end = bank.words[row]
    return (start + end) / 2 if end - start <= LONGEST_WORD else loudest(bank[row])


def loudest(values: Array) -> float:
    """The centre of energy of the 0.8 s with the most, in frames."""
    energy = np.sum(expand(values.astype(np.float32)), axis=1)
    width = min(LOUDEST, len(energy))
    first = int(np.argmax(np.convolve(energy, np.ones(width), "valid")))
    part = energy[first : first + width]
    return first + float(np.sum(part * np.arange(width)) / max(float(part.sum()), 1e-9))


@dataclass(frozen=True, eq=False)
class Others:
    """Recordings without any of the words, in differently changed copies."""

    copies: Sequence[Bank]
    rows: Integers
    silence: float
    share: float = 1.0

    @cached_property
    def ends(self) -> list[Array]:
        """Where in all frames of a copy each recording ends, a second of pause counted in."""
        return [np.cumsum(bank.lengths[self.rows] + 100) for bank in self.copies]

    def draw(self, frames: int, rng: np.random.Generator) -> Array:
        """A piece (frames, bands) from anywhere, longer recordings more often."""
        copy = int(rng.integers(len(self.copies)))
        place = int(np.searchsorted(self.ends[copy], rng.random() * self.ends[copy][-1]))
        length = int(self.copies[copy].lengths[self.rows[place]])
        return self.at(copy, place, int(rng.integers(-60, max(1, length - 120))), frames)

    def at(self, copy: int, place: int, first: int, frames: int) -> Array:
        """The piece that begins at a frame of a recording."""
        return piece(self.copies[copy][int(self.rows[place])], first, frames, self.silence)


def piece(values: Array, first: int, frames: int, silence: float) -> Array:
    """`frames` of a recording from `first`, which may lie before it; silence round it."""
    cut = np.full((frames, values.shape[1]), silence, np.float32)
    low, high = max(0, first), min(len(values), first + frames)
    if high > low:
        cut[low - first : high - first] = values[low:high]
    return cut
