"""`--tune-trunk`: the words of a training learnt together with their trunk -> one detector.

Everything is drawn from the features that a training of heads keeps too. Half of each batch is
changed hard, half as speech mostly comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sweepnet_service.detectors.keyword.assembly import from_tuned
from sweepnet_service.detectors.keyword.bank import Bank
from sweepnet_service.detectors.keyword.dataset import Recording, read_samples, says
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.finetune import Lessons, fine_tuned
from sweepnet_service.detectors.keyword.finishing import finished
from sweepnet_service.detectors.keyword.gathering import Checked, gather
from sweepnet_service.detectors.keyword.intake import length_s
from sweepnet_service.detectors.keyword.material import (
    MINED_COPIES,
    SYNTHETIC_COPIES,
    Maker,
    Material,
    copies_for,
)
from sweepnet_service.detectors.keyword.mining import Mined, mined
from sweepnet_service.detectors.keyword.pieces import Others, Words
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.detectors.keyword.tuning import untuned
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.config import TrainConfig

RECORDED_SHARE, SPOKEN_SHARE = 0.7, 0.3
"""Of a word's pieces, where there are both."""
OTHER_SHARES = {"speech": 0.88, "spoken": 0.06, "noise": 0.06, "mined": 0.2}
"""How often a piece without a word comes from where, relative to each other."""
LONGEST_WEAK_S = 4.0
"""In a longer recording the loudest 0.8 s are too seldom the word."""
LEFT_OUT = (
    "{count} recordings of the word were left out: they are longer than 4 s and nothing tells "
    "where the word is in them, which a training with --tune-trunk has to know."
)


@dataclass(frozen=True)
class Taught:
    """One of the words: its own settings, what it is learnt from, and who makes features of it."""

    config: TrainConfig
    material: Material
    maker: Maker


def learnt_together(config: TrainConfig, data: Checked, maker: Maker) -> KeywordDetector:
    """The detector of all keywords, with thresholds and a card for each."""
    words = [taught(config.for_keyword(keyword), data, maker) for keyword in config.keywords]
    sources = {word.config.keyword: word_sources(word) for word in words}
    lessons = Lessons(sources, other_sources(words), changes(maker.spectral))
    detector = network(config, lessons, maker, "words")
    found = mined_for(words, detector, config.mine) if config.mine is not None else []
    if more := list(mined_sources(words, found)):
        lessons = replace(lessons, others=[*lessons.others, *more])
        detector = network(config, lessons, maker, f"words-{found[0].folder.name}")
    cards = []
    for word in words:
        bare = replace(detector, card={})
        detector = finished(word.config, word.material, data.own, bare, maker.report)
        cards.append(detector.card)
    return detector if len(cards) == 1 else replace(detector, card={"joined": cards})


def taught(config: TrainConfig, data: Checked, maker: Maker) -> Taught:
    """A word with its material, without recordings too long to find it in; the card tells so."""
    material = gather(config, data, maker.report)
    short = [row for row in material.weak if length_s(row) <= LONGEST_WEAK_S]
    if left := len(material.weak) - len(short):
        told = LEFT_OUT.format(count=left)
        maker.report(Progress("recordings left out", left, left, 0.0, told))
        config = replace(config, notes=(*config.notes, told))
    return Taught(config, replace(material, weak=short), replace(maker, work_dir=config.work_dir))


def network(config: TrainConfig, lessons: Lessons, maker: Maker, name: str) -> KeywordDetector:
    """The detector, still to be tuned; its training is kept in the work folder by `name` and
    keywords.
    """
    settings = replace(config.tune_settings, seed=config.seed)
    path = config.work_dir / f"{named(name, config.keywords)}.safetensors"
    maker.report(Progress("words", 0, settings.steps))
    net = from_tuned(fine_tuned(maker.trunk, lessons, settings, path, maker.report))
    return untuned(net, config.keywords, maker.spectral.feeds)


def named(name: str, keywords: Iterable[str]) -> str:
    """A file's name with the keywords in it."""
    return "-".join([name, *(re.sub(r"\W+", "-", keyword) for keyword in keywords)])


def changes(spectral: Spectral) -> tuple[Spectral, Spectral]:
    """How pieces are changed: hard, and as speech mostly comes."""
    gentle = replace(spectral, noise_share=0.4, band_share=0.15, warp_share=0.4, patches=False)
    return replace(spectral, noise_share=0.75), gentle


def word_sources(word: Taught) -> list[tuple[float, Words]]:
    """Recordings of a word and what programs spoke, in differently changed copies.

    Raises InvalidInput where there is none.
    """
    material, keyword = word.material, word.config.keyword
    real = len(material.positive) + len(material.weak)
    copies = copies_for(word.config.real_segments, real)
    found: list[tuple[float, Words]] = []
    for name, rows, of in (
        ("positive", material.positive, Words.of),
        ("weak-short", material.weak, Words.somewhere),
    ):
        share = RECORDED_SHARE * len(rows) / (max(1, real) * copies)
        found += [
            (share, of(word.maker.bank(name, read_samples(rows), copy, len(rows))))
            for copy in range(copies if rows else 0)
        ]
    spoken = material.synthetic_positive
    found += [
        (
            SPOKEN_SHARE / SYNTHETIC_COPIES,
            Words.of(word.maker.bank("synthetic-positive", spoken, copy, len(spoken))),
        )
        for copy in range(SYNTHETIC_COPIES if spoken else 0)
    ]
    found = [(share, words) for share, words in found if len(words.rows)]
    if not found:
        raise InvalidInput(
            "data",
            f"there is no recording of {keyword!r} that tells where it is or lasts at most "
            f"{LONGEST_WEAK_S:g} s, and none was synthesised",
        )
    return found


def other_sources(words: Sequence[Taught]) -> list[Others]:
    """Sound in which nobody says any of the words; speech first, if there is some.

    Raises InvalidInput where there is none.
    """
    first, keywords = words[0], keywords_of(words)
    speech, noise = first.material.speech, first.material.noise
    found = [
        others(
            first.maker.bank("negative", read_samples(speech), 0, len(speech)),
            without(speech, keywords),
            first.maker,
            OTHER_SHARES["speech"],
        )
    ]
    for word in words:
        spoken = word.material.synthetic_negative
        bank = word.maker.bank("synthetic-negative", spoken, 0, len(spoken))
        rows = without([row for row, _ in spoken], keywords)
        found.append(others(bank, rows, first.maker, OTHER_SHARES["spoken"] / len(words)))
    sound = first.maker.plain("noise-only", noise)
    found.append(others(sound, range(len(noise)), first.maker, OTHER_SHARES["noise"]))
    if heard := [source for source in found if len(source.rows)]:
        return heard
    raise InvalidInput(
        "data",
        f"all recordings to train on hold one of {', '.join(keywords)}; put others into negative/, "
        "or let --synthesize speak some",
    )


def mined_for(words: Sequence[Taught], detector: KeywordDetector, speech: Path) -> list[Mined]:
    """What the network took for each word in speech that holds none of them."""
    return [
        mined(
            detector,
            word.config.keyword,
            speech,
            word.config.work_dir,
            word.maker.report,
            keywords_of(words),
        )
        for word in words
    ]


def mined_sources(words: Sequence[Taught], found: Sequence[Mined]) -> Iterator[Others]:
    """What was mined, as sound without any word."""
    for word, alarms in zip(words, found, strict=False):
        maker, pieces = replace(word.maker, work_dir=alarms.folder), alarms.recordings
        banks = [
            maker.bank("mined", read_samples(pieces), copy, len(pieces))
            for copy in range(MINED_COPIES if pieces else 0)
        ]
        if banks:
            share = OTHER_SHARES["mined"] / len(words)
            yield Others(banks, np.arange(len(pieces)), maker.spectral.features.silence, share)


def others(bank: Bank, rows: Sequence[int], maker: Maker, share: float) -> Others:
    """Some recordings of a bank as sound without any word."""
    chosen = np.array(rows, np.intp)
    return Others((bank,), chosen, maker.spectral.features.silence, share)


def keywords_of(words: Sequence[Taught]) -> tuple[str, ...]:
    return tuple(word.config.keyword for word in words)


def without(recordings: Sequence[Recording], keywords: Sequence[str]) -> list[int]:
    """The places of recordings in which nobody says any of the words."""
    return [
        place
        for place, row in enumerate(recordings)
        if not any(says(row, keyword) for keyword in keywords)
    ]
