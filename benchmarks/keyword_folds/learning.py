"""The detector of a fold: a phone trunk that goes on learning with a small head for each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from material import COPIES, SYNTHETIC_COPIES, WORDS, Material

from cnn_core.layers import Sequential, Sigmoid
from sweepnet_service.detectors.keyword.assembly import BEST_OF, SMOOTHED, smoothed
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.dataset import Recording, says
from sweepnet_service.detectors.keyword.finetune import Lessons, TuneSettings, fine_tuned
from sweepnet_service.detectors.keyword.pieces import Others, Words
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.trunk import TrunkSettings, train_trunk, without_output

TRUNK = TrunkSettings(epochs=12)
WORDS_TOGETHER = TuneSettings(steps=2400)
SHARES = {"speech": 0.68, "talk": 0.08, "other words": 0.12, "noise": 0.06, "spoken": 0.06}
"""How often a piece without a word comes from where."""
RECORDED_SHARE = 0.7
"""Of recordings among a word's pieces; the others are synthetic."""
RECIPE = (TRUNK, WORDS_TOGETHER, SHARES, RECORDED_SHARE, BEST_OF, SMOOTHED)


def phones_of(material: Material, fold: int) -> Sequential:
    """The trunk that heard four fifths of the speakers, with its phone output."""
    return train_trunk(
        material.to_learn_phones(fold),
        Spectral(material.background(fold)),
        replace(TRUNK, seed=fold),
        material.work / f"trunk-{fold}.safetensors",
        material.report,
    )


def recorded_words(material: Material, fold: int, seed: int = 0) -> Sequential:
    """The trunk with a head for each word, (N, T, bands) -> scores (N, T', words)."""
    net = fine_tuned(
        without_output(phones_of(material, fold)),
        lessons(material, fold),
        replace(WORDS_TOGETHER, seed=seed),
        material.work / f"recorded-words-{fold}-{seed}.safetensors",
        material.report,
    )
    return Sequential((*smoothed(net).layers, Sigmoid()))


def lessons(material: Material, fold: int) -> Lessons:
    """What the words of a fold are learnt from."""
    words = {word: word_sources(material, word) for word in WORDS}
    return Lessons(words, others(material, fold), spectral_of(material, fold))


def spectral_of(material: Material, fold: int) -> tuple[Spectral, Spectral]:
    """How what is learnt from is changed: hard, and as speech mostly comes."""
    noise = material.background(fold)
    hard = Spectral(noise, noise_share=0.75, signal_to_noise_db=(0.0, 25.0))
    gentle = replace(hard, noise_share=0.4, band_share=0.15, warp_share=0.4, patches=False)
    return hard, gentle


def word_sources(material: Material, word: str) -> list[tuple[float, Words]]:
    """Recordings of a word and what programs spoke, in differently changed copies."""
    said = [row for row in material.train_clips if row.text == word]
    real = [material.changed(f"word-{word}-{n}", said, 50 + n) for n in range(COPIES)]
    spoken = material.spoken(word)
    made = [
        material.changed_speech(f"synthetic-{word}-{n}", spoken, 60 + n)
        for n in range(SYNTHETIC_COPIES)
    ]
    synthetic = 1 - RECORDED_SHARE
    return [(RECORDED_SHARE / COPIES, Words.of(bank)) for bank in real] + [
        (synthetic / SYNTHETIC_COPIES, Words.of(bank)) for bank in made
    ]


def others(material: Material, fold: int) -> list[Others]:
    """Sound without any of the words, nobody of the fold in it; the first is sentences."""
    heard = material.heard(material.transcribed, fold)
    sentences = [n for n in heard if not says_any(material.transcribed[n])]
    clips = [n for n, row in enumerate(material.train_clips) if row.text not in WORDS]
    sources: dict[str, tuple[Sequence[Bank], Sequence[int]]] = {
        "speech": (material.speech, sentences),
        "talk": (
            [material.changed("unnamed", material.untranscribed, 71)],
            material.heard(material.untranscribed, fold),
        ),
        "other words": ([material.changed("clips", material.train_clips, 70)], clips),
        "noise": (
            [material.unchanged("noise-only", material.noise)],
            range(len(material.noise)),
        ),
        "spoken": (
            [material.changed_speech("spoken-others", material.spoken_others, 72)],
            range(len(material.spoken_others)),
        ),
    }
    silence = material.features.silence
    return [
        Others(banks, np.array(rows), silence, SHARES[name])
        for name, (banks, rows) in sources.items()
        if len(rows)
    ]


def says_any(recording: Recording) -> bool:
    return any(says(recording, word) for word in WORDS)
