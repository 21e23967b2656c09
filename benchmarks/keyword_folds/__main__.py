"""The spotter on voices it never heard: five detectors, each measured on its own fold of speakers.

Trains the networks of each fold (hours; kept and resumed in --work), hears test clips clean and in
noise and all continuous speech, and tells misses and false alarms of their mean, and of each
network alone, at thresholds that come from the other folds. Pages, and rows for `sweepnet bench
--also`, lie in --work; the last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, product
from pathlib import Path

import learning
import on_trunk
from hearing import Scores, detector_of, hear, heard, mean_scores, placed
from learning import MEMBERS, SEEDS, TRUNK, recorded_words
from material import WAKE_WORDS, WORDS, Material, of_other_collection
from on_trunk import LABELS, words_on_trunk
from rich.console import Console
from telling import alike, beside, page, row, table, tellable

from cnn_core.arrays import Array
from cnn_core.layers import Sequential
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
from sweepnet_service.detectors.keyword.evaluate import Figures, FoldHeard, Heard
from sweepnet_service.detectors.keyword.evaluate.page.sound import Sound, clean
from sweepnet_service.detectors.keyword.evaluate.pooled import POINTS, Pooled
from sweepnet_service.detectors.keyword.folds import FOLDS

OTHER = "other collection"
NOISY = tuple(f"10 {unit}" for unit in POWERS)
NOISE_SEED = 0
RATES = (0.3, 0.5, 2.0)
"""False alarms an hour for which thresholds are chosen. 0.3 is three in all of the speech: so many
are asked for where no more than 0.5 an hour, five, may come.
"""
CURVE = (0.15, 0.2, *RATES, 0.7, 1.0, 1.4, 3.0, 5.0, 10.0, 20.0)
"""Those of the rows, which draw a curve."""


@dataclass(frozen=True, eq=False)
class Network:
    """One of the networks of a fold's detector: what makes it, and the settings that decide it.

    Those of a kind differ by seed alone. One that is no `part` of the mean is told alone.
    """

    make: Callable[[Material, int], Sequential]
    recipe: tuple[object, ...]
    kind: str = ""
    seed: int = 0
    part: bool = True


LEARNT = {
    "recorded": (
        WORDS,
        [
            Network(
                partial(recorded_words, member),
                (member, *learning.RECIPE),
                member.kind,
                member.words.seed,
                member in MEMBERS,
            )
            for member in (*MEMBERS, *SEEDS)
        ],
    ),
    "text": (LABELS, [Network(words_on_trunk, (TRUNK, *on_trunk.RECIPE))]),
}
"""Labels, and the networks of which the mean is measured or which are told alone, by what words are
learnt from: many recordings; their text alone, and few.
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


def detector_for(
    material: Material, fold: int, learnt: str, network: Network
) -> tuple[KeywordDetector, str]:
    """A network of a fold with all words, and a name that its file and its recipe decide."""
    recipe = digest(repr(network.recipe).encode())
    path = material.work / f"{learnt}-{fold}-{recipe}.safetensors"
    if not path.exists():
        learn(material, fold, learnt, network).save(path)
    return KeywordDetector.load(path), f"{learnt}-{fold}-{digest(path.read_bytes())}"


def learn(material: Material, fold: int, learnt: str, network: Network) -> KeywordDetector:
    """A network of a fold, each word placed by words of the kind that it was learnt from."""
    labels, _ = LEARNT[learnt]
    detector = detector_of(network.make(material, fold), labels)
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


def mean_of(parts: Sequence[HeardByFold]) -> HeardByFold:
    """What the mean of a fold's networks makes of it all; places of words are the first's."""
    first = parts[0]
    return HeardByFold(
        first.detector,
        mean_scores([part.speech for part in parts]),
        mean_scores([part.noise for part in parts]),
        {name: mean_scores([part.clips[name] for part in parts]) for name in first.clips},
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


def report_all(
    material: Material, networks: Mapping[Network, Sequence[HeardByFold]], options: Options
) -> None:
    """Tables and pages, rows of the curve, and the figures as the last line."""
    console = Console(stderr=True, width=WIDTH)
    folds = means(heard for network, heard in networks.items() if network.part)
    labels = pooled_labels(folds)
    name = f"sweepnet, {options.learnt} words, {len(folds)} folds"
    rows = {}
    for rate in tellable(sorted(CURVE), hours_of(folds)):
        told = rate in RATES
        figures = figures_of(labels, rate, POINTS if told else 0)
        rows[rate] = row(name, figures, rate, material.clips)
        if told:
            console.print(f"Thresholds from the other folds, for {rate:g} false alarms an hour")
            console.print(table(figures))
            if options.peers:
                console.print(beside(rows[rate], options.peers, options.setting, material.clips))
            path = options.work / f"{options.learnt}-{rate:g}.html"
            page(path, name, figures, rate, sound_of(material))
    write_rows(options.work / f"{options.learnt}-rows.json", list(rows.values()))
    if len(networks) > 1:
        report_each(material, networks, console)
    print(json.dumps({f"{rate:g}": in_short(rows[rate]) for rate in RATES if rate in rows}))


def report_each(
    material: Material, networks: Mapping[Network, Sequence[HeardByFold]], console: Console
) -> None:
    """Each network alone, and the spread of those that differ by seed alone; the mean of all."""
    kinds = {
        f"Alone: {kind}": {f"seed {each.seed}": networks[each] for each in alone}
        for kind, alone in groupby(networks, key=lambda network: network.kind)
    }
    kinds["All networks"] = {"their mean": means(networks.values())}
    for kind, told in kinds.items():
        of_kind = {name: pooled_labels(folds) for name, folds in told.items()}
        for rate in tellable(RATES, hours_of(next(iter(told.values())))):
            rows = [
                row(name, figures_of(labels, rate, 0), rate, material.clips)
                for name, labels in of_kind.items()
            ]
            console.print(f"{kind}, for {rate:g} false alarms an hour")
            console.print(alike(rows, WAKE_WORDS))


def means(networks: Iterable[Sequence[HeardByFold]]) -> list[HeardByFold]:
    """What the mean of networks makes of each fold."""
    return [mean_of(parts) for parts in zip(*networks, strict=True)]


def pooled_labels(folds: Sequence[HeardByFold]) -> list[Pooled]:
    """Each label in all folds."""
    labels = folds[0].detector.labels
    return [Pooled(label, folds_of(label, folds)) for label in labels]


def figures_of(labels: Sequence[Pooled], rate: float, points: int) -> dict[str, Figures]:
    """The figures of each label, and so many points of its curve."""
    return {each.label: each.figures(rate, points) for each in labels}


def hours_of(folds: Sequence[HeardByFold]) -> list[float]:
    """The hours of speech in which each fold is measured."""
    return [float(fold.speech.seconds.sum()) / 3600 for fold in folds]


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
        _, networks = LEARNT[options.learnt]
        found: dict[Network, list[HeardByFold]] = {network: [] for network in networks}
        for fold, network in product(options.folds, networks):
            detector, name = detector_for(material, fold, options.learnt, network)
            if not options.train_only:
                conditions = HEARD_IN[options.learnt]
                found[network].append(hear_fold(material, fold, detector, name, conditions))
    if not options.train_only:
        report_all(material, found, options)


if __name__ == "__main__":
    main()
