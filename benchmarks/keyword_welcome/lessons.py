"""What the heads of a fold learn "welcome" from: recordings, synthetic and spliced words, all else.

Everything goes through the fold's own trunk, which never heard its readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from learning import phones_of, spectral_of
from leaving import WORD, Voices
from material import OTHER_WORDS, Material

from cnn_core.arrays import Array, Integers
from cnn_core.fold import fold as folded
from cnn_core.layers import Conv1d, Sequential
from sweepnet_service.detectors.keyword import phones, splice, synthesis
from sweepnet_service.detectors.keyword.activations import segments_round_words, streams
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.dataset import says
from sweepnet_service.detectors.keyword.head import Examples
from sweepnet_service.detectors.keyword.material import kept_clips
from sweepnet_service.detectors.keyword.near import near_words
from sweepnet_service.detectors.keyword.spectral import Spectral

SPOKEN, SPOKEN_COPIES, REAL_COPIES = 1_000, 2, 16
SPLICED, ALIGNED = 600, 600
SHARES = {"recorded": 0.25, "spoken": 0.45, "spliced": 0.3}
SPELLINGS = (phones.spelling_of(WORD),)
"""One: with more, more other words sound like it (docs/experiments/welcome.md)."""


@dataclass(frozen=True)
class FoldTrunk:
    """The frozen trunk of a fold after so many epochs, and its phone output."""

    fold: int
    epochs: int
    body: Sequential
    phones: Conv1d


@dataclass(frozen=True)
class FoldLessons:
    """`recorded` (copies, recordings, 43, C), other groups of segments with their shares, and
    streams without the word, all as activations of a fold's trunk.
    """

    recorded: Array
    made: Sequence[tuple[float, Array]]
    negative: Sequence[Array]

    def examples(self, kept: Integers) -> Examples:
        """With some of the recordings, or none."""
        chosen = self.recorded[:, kept]
        real = [(SHARES["recorded"], chosen.reshape(-1, *chosen.shape[2:]))] if len(kept) else []
        return Examples([*real, *self.made], self.negative)


def trunk_of(material: Material, fold: int, epochs: int) -> FoldTrunk:
    """The trunk of a fold, whose batch norms are part of its convolutions."""
    net = phones_of(material, fold, epochs)
    output = net.layers[-1]
    assert isinstance(output, Conv1d)
    return FoldTrunk(fold, epochs, folded(Sequential(net.layers[:-1])), output)


def lessons_of(material: Material, voices: Voices, known: FoldTrunk, splices: bool) -> FoldLessons:
    """What the heads on a fold's trunk learn from."""
    trunk = known.body
    spectral = spectral_of(material, known.fold)[0]
    rng = np.random.default_rng((known.fold, 11))
    filling = material.speech[0]

    def segments(bank: Bank) -> Array:
        return segments_round_words(trunk, bank, spectral, filling, rng)

    recorded = [segments(bank) for bank in recorded_banks(material, voices)]
    made = [(SHARES["spoken"], np.concatenate([segments(b) for b in spoken_banks(material) * 2]))]
    if splices:
        bank = spliced(material, known)
        parts = [segments_round_words(trunk, bank, spectral, None, rng) for _ in range(3)]
        made.append((SHARES["spliced"], np.concatenate(parts)))
    negative = list(other_sound(material, known.fold, trunk, spectral, rng))
    return FoldLessons(np.stack(recorded), made, negative)


def recorded_banks(material: Material, voices: Voices) -> Iterator[Bank]:
    """Every recording of the word in differently changed copies."""
    for copy in range(REAL_COPIES):
        yield material.changed(f"{WORD}-recorded-{copy}", voices.recordings, 200 + copy)


def spoken_banks(material: Material) -> list[Bank]:
    """The word alone and in sentences by espeak-ng and flite, in differently changed copies."""
    plan = synthesis.positives(WORD, SPOKEN, np.random.default_rng(20))
    clips = kept_clips(material.work / f"{WORD}-clips", plan, f"speaking {WORD}", material.report)
    return [
        material.changed_speech(f"{WORD}-spoken-{copy}", clips, 240 + copy)
        for copy in range(SPOKEN_COPIES)
    ]


def spliced(material: Material, known: FoldTrunk) -> Bank:
    """The word put together from sentences of the fold's readers to learn from, none of which
    holds it.
    """
    net = Sequential((*known.body.layers, known.phones))

    def rows() -> Iterator[tuple[Array, tuple[float, float]]]:
        speech = material.to_learn_phones(known.fold)
        heard = set(speech.rows.tolist())
        useful = tuple(
            labels if n in heard and not says(material.transcribed[n], WORD) else labels[:0]
            for n, labels in enumerate(speech.phones)
        )
        sentences = splice.aligned(
            net, replace(speech, phones=useful), SPELLINGS, material.features, ALIGNED
        )
        rng = np.random.default_rng((known.fold, 12))
        yield from splice.spliced(SPELLINGS, sentences, SPLICED, rng)

    return material.bank(f"{WORD}-spliced-{known.fold}-{known.epochs}", rows, SPLICED)


def other_sound(
    material: Material, fold: int, trunk: Sequential, spectral: Spectral, rng: np.random.Generator
) -> Iterator[Array]:
    """Sentences, orders, words and noise without the word, none by readers of the fold."""
    heard = material.heard(material.transcribed, fold)
    texts = (*near_words(WORD), *synthesis.COMMON)
    plan = synthesis.negatives(texts, SPOKEN, np.random.default_rng(21), WORD)
    clips = kept_clips(material.work / f"{WORD}-near", plan, "speaking others", material.report)
    words = [row for row in material.train_clips if row.corpus in OTHER_WORDS]
    sources: tuple[tuple[Bank, Sequence[int]], ...] = (
        (material.speech[0], [n for n in heard if not says(material.transcribed[n], WORD)]),
        (
            material.changed("unnamed", material.untranscribed, 71),
            material.heard(material.untranscribed, fold),
        ),
        (material.changed_speech(f"{WORD}-near-words", clips, 250), range(len(clips))),
        (material.changed(f"{WORD}-other-words", words, 251), range(len(words))),
        (material.unchanged("noise-only", material.noise), range(len(material.noise))),
    )
    for bank, rows in sources:
        if len(rows):
            yield streams(trunk, bank, rng.permutation(np.array(rows)), spectral, rng)
