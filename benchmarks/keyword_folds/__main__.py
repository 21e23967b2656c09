"""The spotter on voices it never heard: five detectors, each measured on its own fold of speakers.

Trains a trunk and heads for each fold (hours; kept and resumed in --work), hears test clips clean
and in noise and all continuous speech, and tells misses and false alarms at thresholds that come
from the other folds. A page for each word lies in --work; the last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import learning
import on_trunk
from hearing import Scores, detector_of, hear, heard, placed
from learning import TRUNK, recorded_words
from material import WORDS, Material, of_other_collection
from on_trunk import LABELS, words_on_trunk
from rich.console import Console
from telling import beside, page, row, table

from cnn_core.arrays import Array
from sweepnet_service.commands.meter import metered
from sweepnet_service.detectors.keyword.bench.rows import Row, write_rows
from sweepnet_service.detectors.keyword.conditions import CLEAN, POWERS, in_condition, test_noise
from sweepnet_service.detectors.keyword.dataset import (
    Recording,
    Spoken,
    read_noise,
    read_samples,
    says,
)
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import FoldHeard, Heard, pooled
from sweepnet_service.detectors.keyword.evaluate.page.sound import Sound, clean
from sweepnet_service.detectors.keyword.folds import FOLDS

OTHER = "other collection"
NOISY = tuple(f"10 {unit}" for unit in POWERS)
NOISE_SEED = 0
RATES = (0.3, 0.5, 2.0)
"""False alarms an hour for which thresholds are chosen. 0.3 is three in all of the speech: so many
are asked for where no more than 0.5 an hour, five, may come.
"""
LEARNT = {
    "recorded": (WORDS, recorded_words, learning.RECIPE),
    "text": (LABELS, words_on_trunk, (TRUNK, *on_trunk.RECIPE)),
}
"""Labels, what makes the network of a fold, and its settings, by what words are learnt from: many
recordings; their text alone, and few.
"""
HEARD_IN = {"recorded": (CLEAN, *NOISY), "text": (CLEAN,)}
WIDTH = 130
PLACED, PLACED_EVERY = 60, 10
"""Words of each kind that tell where in the window a word lies; which of the synthetic ones."""


@dataclass(frozen=True)
class HeardByFold:
    """What the detector of a fold made of everything that it is measured on."""

    detector: KeywordDetector
    speech: Scores
    noise: Scores
    clips: Mapping[str, Scores]


def detector_for(material: Material, fold: int, learnt: str) -> tuple[KeywordDetector, str]:
    """The detector of a fold with all words, and a name that its file and its recipe decide."""
    *_, recipe = LEARNT[learnt]
    path = material.work / f"{learnt}-{fold}-{digest(repr(recipe).encode())}.safetensors"
    if not path.exists():
        learn(material, fold, learnt).save(path)
    return KeywordDetector.load(path), f"{learnt}-{fold}-{digest(path.read_bytes())}"


def learn(material: Material, fold: int, learnt: str) -> KeywordDetector:
    """The detector of a fold, each word placed by words of the kind that it was learnt from."""
    labels, make, _ = LEARNT[learnt]
    detector = detector_of(make(material, fold), labels)
    spoken = hear(detector, words_to_place(material, learnt))
    return placed(detector, {label: of_word(spoken, label) for label in labels})


def words_to_place(material: Material, learnt: str) -> list[Spoken]:
    """Words alone that tell where in the window a word lies: of what it was learnt from."""
    if learnt != "recorded":
        spoken = [each for word in WORDS for each in material.spoken(word)]
        return [each for each in spoken if each[0].text in WORDS][::PLACED_EVERY]
    clips = [row for word in WORDS for row in said(material.train_clips, word)[:PLACED]]
    return list(read_samples(clips))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def word_of(label: str) -> str:
    """The word of a label, which may tell besides what it was learnt from."""
    return label.partition(",")[0]


def of_word(scores: Scores, label: str) -> list[Heard]:
    """A label's scores on recordings of its word."""
    return [each for each in scores.of(label) if each.recording.text == word_of(label)]


def said(clips: Iterable[Recording], word: str) -> list[Recording]:
    return [row for row in clips if row.text == word]


def hear_fold(
    material: Material, fold: int, detector: KeywordDetector, name: str, conditions: Sequence[str]
) -> HeardByFold:
    """Everything that a fold's detector is measured on, heard once."""

    def kept(part: str, rows: Sequence[Recording], condition: str = CLEAN) -> Scores:
        def spoken() -> Iterable[Spoken]:
            return in_condition(read_samples(rows), condition, noise, NOISE_SEED)

        path = material.work / f"{name}-{part.replace(' ', '-')}.npz"
        return heard(detector, rows, spoken, path, material.report)

    noise = test_noise(material.data)
    words = dict.fromkeys(map(word_of, detector.labels))
    clips = [row for word in words for row in said(material.clips, word)]
    test = [row for row in clips if row.split == "test"]
    unheard = [row for row in read_noise(material.data) if row.split != "train"]
    return HeardByFold(
        detector,
        kept("speech", material.held_out(fold)),
        kept("noise-only", unheard),
        {
            **{condition: kept(condition, test, condition) for condition in conditions},
            OTHER: kept("other", of_other_collection(material.clips)),
        },
    )


def sound_of(material: Material) -> Sound:
    """What the detectors heard of a recording in a condition."""
    noise = test_noise(material.data)

    def sound(recording: Recording, condition: str) -> Array:
        spoken = [(recording, clean(recording))]
        name = condition if condition in NOISY else CLEAN
        return next(in_condition(spoken, name, noise, NOISE_SEED))[1]

    return sound


def folds_of(label: str, folds: Sequence[HeardByFold]) -> list[FoldHeard]:
    """What the folds heard, as one label's clips and speech without its word."""
    return [
        FoldHeard(
            fold.detector,
            {
                name: found
                for name, scores in fold.clips.items()
                if (found := of_word(scores, label))
            },
            [each for each in fold.speech.of(label) if not says(each.recording, word_of(label))],
            fold.noise.of(label),
        )
        for fold in folds
    ]


def report_all(material: Material, folds: Sequence[HeardByFold], options: Options) -> None:
    """Tables, pages and rows at every rate, and the figures as the last line."""
    console, rows = Console(stderr=True, width=WIDTH), []
    for rate in RATES:
        labels = folds[0].detector.labels
        figures = {label: pooled(label, folds_of(label, folds), rate) for label in labels}
        console.print(f"Thresholds from the other folds, for {rate:g} false alarms an hour")
        console.print(table(figures))
        name = f"sweepnet, {options.learnt} words, {len(folds)} folds"
        rows.append(row(name, figures, rate, material.clips))
        if options.peers:
            console.print(beside(rows[-1], options.peers, options.setting, material.clips))
        path = options.work / f"{options.learnt}-{rate:g}.html"
        page(path, name, figures, rate, sound_of(material))
    write_rows(options.work / f"{options.learnt}-rows.json", rows)
    print(json.dumps({f"{each.setting:g}": in_short(each) for each in rows}))


def in_short(row: Row) -> dict[str, dict[str, float]]:
    """Percent missed in each condition and false alarms, by word."""
    return {
        word: {
            "false_alarms": figures.false_alarms,
            "hours": round(figures.hours, 2),
            **{name: round(100 * figures.miss_rate(name), 2) for name in figures.misses},
        }
        for word, figures in row.words.items()
    }


class Options(argparse.Namespace):
    """What the command was told."""

    data: Path
    work: Path
    learnt: str
    folds: list[int]
    train_only: bool
    peers: Path | None
    setting: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("SWEEPNET_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--work", type=Path, default=Path("keyword-folds"))
    parser.add_argument(
        "--learnt", choices=LEARNT, default=next(iter(LEARNT)), help="what words are learnt from"
    )
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--train-only", action="store_true", help="measure nothing")
    parser.add_argument("--peers", type=Path, help="rows.json of make peers-keyword, to compare")
    parser.add_argument("--setting", type=float, default=0.8, help="of the peer")
    options = parser.parse_args(namespace=Options())
    if len(options.folds) < 2 and not options.train_only:
        parser.error("--folds: got one; its thresholds come from others (or --train-only)")
    options.work.mkdir(parents=True, exist_ok=True)
    with metered() as report:
        material = Material(options.data / "speech", options.work, report)
        folds = []
        for fold in options.folds:
            detector, name = detector_for(material, fold, options.learnt)
            if not options.train_only:
                conditions = HEARD_IN[options.learnt]
                folds.append(hear_fold(material, fold, detector, name, conditions))
    if options.train_only:
        return
    report_all(material, folds, options)


if __name__ == "__main__":
    main()
