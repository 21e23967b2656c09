"""Detectors from synthetic words alone: heads on a frozen phone trunk, and the words' own phones
read off its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from learning import TRUNK, phones_of, says_any, spectral_of
from material import SYNTHETIC_COPIES, WAKE_WORDS, Material

from cnn_core.arrays import Array
from cnn_core.fold import fold as folded
from cnn_core.layers import Conv1d, Sequential
from sweepnet_service.detectors.keyword import phones
from sweepnet_service.detectors.keyword.activations import segments_round_words, streams
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.head import Examples, HeadSettings, train_head
from sweepnet_service.detectors.keyword.spectral import Spectral

HEAD = HeadSettings(steps=200, rounds=3, batch_positive=32, batch_negative=96)
PATH_WEIGHT = 2.0
"""Of the word's phones beside the head: what the study of such words found safe for all."""
RECIPE = (TRUNK, HEAD, PATH_WEIGHT)


def synthetic_words(material: Material, fold: int) -> Sequential:
    """One network of the wake words, none of which was ever heard from a person."""
    net = phones_of(material, fold)
    output = net.layers[-1]
    assert isinstance(output, Conv1d)
    trunk = folded(Sequential(net.layers[:-1]))
    rng, spectral = np.random.default_rng((fold, 9)), spectral_of(material, fold)[0]
    negative = other_sound(material, fold, trunk, spectral, rng)
    pieces = []
    for word in WAKE_WORDS:
        examples = Examples([(1.0, spoken(material, word, trunk, spectral, rng))], negative)
        head = train_head(examples, replace(HEAD, seed=fold), material.report)
        spelling = tuple(phones.NUMBERS[phone] for phone in phones.pronounce(word))
        pieces.append(Pieces(trunk, output, (folded(head),), (spelling,), PATH_WEIGHT))
    return assemble(*pieces)


def spoken(
    material: Material, word: str, trunk: Sequential, spectral: Spectral, rng: np.random.Generator
) -> Array:
    """Two segments of each synthetic word in each copy, as activations."""
    clips, filling = material.spoken(word), material.speech[0]
    banks = [
        material.changed_speech(f"synthetic-{word}-{n}", clips, 60 + n)
        for n in range(SYNTHETIC_COPIES)
    ]
    parts = [segments_round_words(trunk, bank, spectral, filling, rng) for bank in banks * 2]
    return np.concatenate(parts)


def other_sound(
    material: Material, fold: int, trunk: Sequential, spectral: Spectral, rng: np.random.Generator
) -> list[Array]:
    """Sentences, orders and noise without the words, as activations."""
    heard = material.heard(material.transcribed, fold)
    sources: Sequence[tuple[Bank, Sequence[int]]] = (
        (material.speech[0], [n for n in heard if not says_any(material.transcribed[n])]),
        (
            material.changed("unnamed", material.untranscribed, 71),
            material.heard(material.untranscribed, fold),
        ),
        (
            material.changed_speech("spoken-others", material.spoken_others, 72),
            range(len(material.spoken_others)),
        ),
        (material.unchanged("noise-only", material.noise), range(len(material.noise))),
    )
    return [
        streams(trunk, bank, rng.permutation(np.array(rows)), spectral, rng)
        for bank, rows in sources
        if len(rows)
    ]
