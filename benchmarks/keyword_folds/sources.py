"""What heads on a fold's trunk learn from, as its activations: words that programs speak, put
together from other readers' sentences or recorded, and sound without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from learning import says_any
from material import COPIES, SYNTHETIC_COPIES, WORDS, Material

from cnn_core.arrays import Array
from cnn_core.layers import Conv1d, Sequential
from cnn_core.modelfile import write_whole
from sweepnet_service.detectors.keyword import splice, synthesis
from sweepnet_service.detectors.keyword.activations import segments_round_words, streams
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate.groups import group_of
from sweepnet_service.detectors.keyword.material import kept_clips
from sweepnet_service.detectors.keyword.phones import spellings_of
from sweepnet_service.detectors.keyword.prepare import Rows
from sweepnet_service.detectors.keyword.spectral import Spectral

SENTENCES = 2_000
"""So many of the sentences are heard for what is not the word."""
FILLING = 200
"""Sentences that words are put into."""
SPLICED, ALIGNED, SPLICED_SEGMENTS = 500, 300, 3
FOREIGN = 240
SPOKEN_SEGMENTS, FOREIGN_SEGMENTS, RECORDED_SEGMENTS = 2, 3, 8
"""How often a clip of each copy is heard, differently changed."""
SHARES = {"recorded": 0.35, "spoken": 0.35, "foreign": 0.35, "spliced": 0.3}
"""How often a piece with the word comes from where, relative to each other."""
RECIPE = (SENTENCES, FILLING, SPLICED, ALIGNED, FOREIGN, SHARES)


@dataclass(frozen=True)
class Trunk:
    """A fold's frozen trunk, which of all it is, its phone output, and how speech is changed that
    goes through it.
    """

    fold: int
    version: str
    body: Sequential
    phones: Conv1d
    spectral: Spectral

    @property
    def net(self) -> Sequential:
        """The trunk with its phone output."""
        return Sequential((*self.body.layers, self.phones))

    def rng(self, *seed: int) -> np.random.Generator:
        return np.random.default_rng((self.fold, *seed))


def words_of(
    material: Material, trunk: Trunk, word: str, recordings: int
) -> Iterator[tuple[float, Array]]:
    """Pieces with the word in the middle, as activations, with their shares."""

    def segments(bank: Bank, filling: Bank | None, times: int) -> Array:
        rng = trunk.rng(9, WORDS.index(word))
        parts = [
            segments_round_words(trunk.body, bank, trunk.spectral, filling, rng)
            for _ in range(times)
        ]
        return np.concatenate(parts)

    filling, clips = filling_of(material, trunk), material.spoken(word)
    made = [
        material.changed_speech(f"synthetic-{word}-{n}", clips, 60 + n)
        for n in range(SYNTHETIC_COPIES)
    ]
    spoken = np.concatenate([segments(bank, filling, SPOKEN_SEGMENTS) for bank in made])
    yield SHARES["spoken"], spoken
    yield SHARES["foreign"], segments(foreign(material, word), filling, FOREIGN_SEGMENTS)
    bank = spliced(material, trunk, word)
    if len(bank):
        yield SHARES["spliced"], segments(bank, None, SPLICED_SEGMENTS)
    if recordings:
        said = [row for row in material.train_clips if row.text == word]
        chosen = few(said, recordings, trunk.rng(10, WORDS.index(word)))
        copies = [
            chosen_of(material.changed(f"word-{word}-{n}", said, 50 + n), chosen)
            for n in range(COPIES)
        ]
        real = [segments(bank, filling, RECORDED_SEGMENTS) for bank in copies]
        yield SHARES["recorded"], np.concatenate(real)


def filling_of(material: Material, trunk: Trunk) -> Bank:
    """Sentences without the words, none by readers of the fold."""
    heard = material.heard(material.transcribed, trunk.fold)
    useful = [n for n in heard if not says_any(material.transcribed[n])]
    drawn = trunk.rng(15).permutation(np.array(useful))[:FILLING]
    return chosen_of(material.speech[0], drawn.tolist())


def foreign(material: Material, word: str) -> Bank:
    """The word by the same programs as speakers of other languages say it."""
    plan = synthesis.foreign(word, FOREIGN, np.random.default_rng((WORDS.index(word), 7)))
    clips = kept_clips(material.work / f"foreign-{word}-clips", plan, "speaking", material.report)
    return material.changed_speech(f"foreign-{word}", clips, 74)


def few(said: Sequence[Recording], count: int, rng: np.random.Generator) -> list[int]:
    """The places of so many recordings, one of each voice or session before another of any."""
    drawn = rng.permutation(len(said)).tolist()
    turns: dict[str, int] = {}
    turn_of = {}
    for place in drawn:
        group = group_of(said[place])
        turn_of[place] = turns[group] = turns.get(group, 0) + 1
    return sorted(drawn, key=turn_of.__getitem__)[:count]


def chosen_of(bank: Bank, rows: Sequence[int]) -> Bank:
    """Some recordings of a bank."""
    parts = [np.asarray(bank[row]) for row in rows]
    starts = np.cumsum([0, *map(len, parts)])
    return Bank(np.concatenate(parts), starts, bank.words[list(rows)])


def spliced(material: Material, trunk: Trunk, word: str) -> Bank:
    """The word put together from sentences by readers of the other folds, none of which holds one
    of the words.
    """
    spellings = spellings_of(word)

    def rows() -> Rows:
        speech = material.to_learn_phones(trunk.fold)
        heard = set(speech.rows.tolist())
        useful = tuple(
            labels if n in heard and not says_any(material.transcribed[n]) else labels[:0]
            for n, labels in enumerate(speech.phones)
        )
        known = splice.aligned(
            trunk.net, replace(speech, phones=useful), spellings, material.features, ALIGNED
        )
        return splice.spliced(spellings, known, SPLICED, trunk.rng(12))

    return material.bank(f"spliced-{word}-{trunk.fold}-{trunk.version}", rows, SPLICED)


def other_sound(material: Material, trunk: Trunk) -> Iterator[Array]:
    """Sentences, orders, other words and noise without the words, as activations, kept."""
    heard = material.heard(material.transcribed, trunk.fold)
    spoken = material.spoken_others
    sources: Sequence[tuple[str, Bank, Sequence[int]]] = (
        (
            "sentences",
            material.speech[0],
            [n for n in heard if not says_any(material.transcribed[n])],
        ),
        (
            "orders",
            material.changed("unnamed", material.untranscribed, 71),
            material.heard(material.untranscribed, trunk.fold),
        ),
        ("spoken", material.changed_speech("spoken-others", spoken, 72), range(len(spoken))),
        ("noise", material.unchanged("noise-only", material.noise), range(len(material.noise))),
    )
    for name, bank, rows in sources:
        path = material.work / f"other-{name}-{trunk.fold}-{trunk.version}.npy"
        if len(rows) and not path.exists():
            rng = trunk.rng(14, len(name))
            drawn = rng.permutation(np.array(rows))[:SENTENCES]
            found = streams(trunk.body, bank, drawn, trunk.spectral, rng)
            kept = BytesIO()
            np.save(kept, found)
            write_whole(path, kept.getvalue())
        if path.exists():
            yield np.load(path, mmap_mode="r")
