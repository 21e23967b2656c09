"""Networks of a fold: phone trunks that go on learning with a small head for each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from material import COPIES, SYNTHETIC_COPIES, WORDS, Material

from cnn_core.layers import Sequential, Sigmoid
from cnn_core.modelfile import write_whole
from sweepnet_service.detectors.keyword.assembly import BEST_OF, SMOOTHED, smoothed
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.dataset import Recording, says
from sweepnet_service.detectors.keyword.finetune import Lessons, TuneSettings, fine_tuned
from sweepnet_service.detectors.keyword.pieces import Others, Words
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.trunk import TrunkSettings, train_trunk, without_output


@dataclass(frozen=True)
class Member:
    """One of the networks of which the mean is taken: the epochs of its trunk, its words."""

    epochs: int
    words: TuneSettings

    @property
    def kind(self) -> str:
        """What it shares with those that differ from it by seed alone."""
        return f"trunk of {self.epochs} epochs, {self.words.steps} steps"


MEMBERS = (Member(12, TuneSettings(steps=2400)), Member(26, TuneSettings(steps=1600)))
"""Of other lengths of training, for such err apart (docs/benchmarks.md)."""
SEEDS = (replace(MEMBERS[-1], words=replace(MEMBERS[-1].words, seed=1)),)
"""Heard alone, to tell what chance does; no part of the mean, which they hardly change."""
EPOCHS = (12, 26)
"""Of trunks that are kept: the last for words from text too."""
TRUNK = TrunkSettings(epochs=EPOCHS[-1])
SHARES = {"speech": 0.68, "talk": 0.08, "other words": 0.12, "noise": 0.06, "spoken": 0.06}
"""How often a piece without a word comes from where."""
RECORDED_SHARE = 0.7
"""Of recordings among a word's pieces; the others are synthetic."""
RECIPE = (SHARES, RECORDED_SHARE, BEST_OF, SMOOTHED)


def phones_of(material: Material, fold: int, epochs: int = EPOCHS[-1]) -> Sequential:
    """The trunk that heard four fifths of the speakers, with its phone output.

    One of more epochs goes on where the one of fewer was kept.
    """
    path = trunk_path(material, fold, epochs)
    fewer = EPOCHS[: EPOCHS.index(epochs)]
    if fewer and not path.exists():
        phones_of(material, fold, fewer[-1])
        write_whole(path, trunk_path(material, fold, fewer[-1]).read_bytes())
    return train_trunk(
        material.to_learn_phones(fold),
        Spectral(material.background(fold)),
        replace(TRUNK, epochs=epochs, seed=fold),
        path,
        material.report,
    )


def trunk_path(material: Material, fold: int, epochs: int) -> Path:
    """Where the trunk of a fold is kept after so many epochs."""
    after = "" if epochs == EPOCHS[-1] else f"-{epochs}"
    return material.work / f"trunk-{fold}{after}.safetensors"


def recorded_words(member: Member, material: Material, fold: int) -> Sequential:
    """A member's scores, (N, T, bands) -> (N, T', words)."""
    return Sequential((*smoothed(tuned(material, fold, member)).layers, Sigmoid()))


def tuned(material: Material, fold: int, member: Member) -> Sequential:
    """A trunk with a head for each word, (N, T, bands) -> logits (N, T', words)."""
    return fine_tuned(
        without_output(phones_of(material, fold, member.epochs)),
        lessons(material, fold),
        member.words,
        material.work / f"recorded-words-{fold}-{member.epochs}-{member.words.seed}.safetensors",
        material.report,
    )


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
