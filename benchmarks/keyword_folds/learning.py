"""The detector of a fold: a phone trunk that goes on learning with a small head for each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from material import COPIES, SYNTHETIC_COPIES, WORDS, Material

from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.dataset import Recording, says
from sweepnet_service.detectors.keyword.finetune import Lessons, TuneSettings, fine_tuned
from sweepnet_service.detectors.keyword.pieces import Others, Words
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.trunk import TrunkSettings, train_trunk, without_output

TRUNK = TrunkSettings(epochs=12)
WORDS_TOGETHER = TuneSettings(steps=800)
SHARES = {"speech": 0.68, "talk": 0.08, "other words": 0.12, "noise": 0.06, "spoken": 0.06}
"""How often a piece without a word comes from where."""
RECORDED, SYNTHETIC = "recorded", "synthetic"
LEARNT = {RECORDED: (0.7, 0.3), SYNTHETIC: (0.0, 1.0)}
"""Shares of recordings and of synthetic speech among the words, by the name of the detectors."""


def trunk_of(material: Material, fold: int) -> Sequential:
    """The trunk that heard four fifths of the speakers, without its phone output."""
    net = train_trunk(
        material.to_learn_phones(fold),
        Spectral(material.background(fold)),
        replace(TRUNK, seed=fold),
        material.work / f"trunk-{fold}.safetensors",
        material.report,
    )
    return without_output(net)


def words_of(material: Material, fold: int, learnt: str, seed: int) -> Sequential:
    """The trunk with a head for each word, (N, T, bands) -> logits (N, T', words)."""
    return fine_tuned(
        trunk_of(material, fold),
        lessons(material, fold, learnt),
        replace(WORDS_TOGETHER, seed=seed),
        material.work / f"{learnt}-words-{fold}-{seed}.safetensors",
        material.report,
    )


def lessons(material: Material, fold: int, learnt: str) -> Lessons:
    """What the words of a fold are learnt from."""
    noise = material.background(fold)
    changed = Spectral(noise, noise_share=0.75, signal_to_noise_db=(0.0, 25.0))
    # As speech mostly comes: less noise, seldom narrow, nothing blanked.
    gentle = replace(changed, noise_share=0.4, band_share=0.15, warp_share=0.4, patches=False)
    words = {word: word_sources(material, word, *LEARNT[learnt]) for word in WORDS}
    return Lessons(words, others(material, fold), (changed, gentle))


def word_sources(
    material: Material, word: str, recorded: float, synthetic: float
) -> list[tuple[float, Words]]:
    """Recordings of a word and what programs spoke, in differently changed copies."""
    said = [row for row in material.train_clips if row.text == word]
    real = [material.changed(f"word-{word}-{n}", said, 50 + n) for n in range(COPIES)]
    spoken = material.spoken(word)
    made = [
        material.changed_speech(f"synthetic-{word}-{n}", spoken, 60 + n)
        for n in range(SYNTHETIC_COPIES)
    ]
    sources = [(recorded / COPIES, Words.of(bank)) for bank in real]
    sources += [(synthetic / SYNTHETIC_COPIES, Words.of(bank)) for bank in made]
    return [(share, source) for share, source in sources if share]


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
