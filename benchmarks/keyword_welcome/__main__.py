"""How many of all recordings of "welcome" are found by detectors that never heard their voices.

Voices are left out by speaker folds: heads on the fold's frozen trunks learn from the voices of the
other folds, from synthetic and spliced words; the mean of the log odds on all trunks counts.
Thresholds come from the speech of the other folds; beside them is told what the lowest thresholds
that the measured speech itself allows would find, as studies do, though nobody has them in advance.
Kept in --work, which may be that of benchmarks/keyword_folds (it shares the trunks). The last line
is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

# The folds, their material and trunks are those of the benchmark beside this one.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "keyword_folds"))

from hearing import Scores, detector_of, heard, mean_scores, placed
from learning import EPOCHS, phones_of, trunk_path
from leaving import WORD, Voices
from lessons import SPELLINGS, FoldTrunk, lessons_of, trunk_of
from material import Material

from cnn_core import modelfile
from cnn_core.fold import fold as folded
from cnn_core.layers import Sequential
from sweepnet_service.commands.meter import metered
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble, path_steps
from sweepnet_service.detectors.keyword.dataset import read_samples, says
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import (
    Alarms,
    Decider,
    Heard,
    mean_over_groups,
)
from sweepnet_service.detectors.keyword.evaluate.curve import lowest_threshold
from sweepnet_service.detectors.keyword.evaluate.pooled import thresholds_of
from sweepnet_service.detectors.keyword.folds import FOLDS, voice
from sweepnet_service.detectors.keyword.head import Examples, HeadSettings, train_head

RATES = (0.5, 2.0, 5.0)
HEAD = HeadSettings(steps=300, rounds=3)
Parts = Sequence[tuple[Scores, Scores]]
"""What each of a fold's detectors made of the words and of the speech."""


@dataclass(frozen=True)
class Measured:
    """What the detector of a fold made of the recordings that it was left without, and of speech;
    everything is by voices that it never heard.
    """

    detector: KeywordDetector
    words: Sequence[Heard]
    speech: Sequence[Heard]

    @property
    def alarms(self) -> Alarms:
        return Alarms(self.detector, WORD, self.speech)


def detector_for(
    material: Material, voices: Voices, fold: int, epochs: int, options: Options
) -> KeywordDetector:
    """A detector of the fold: the mean of its heads, and the word's phones, on a trunk."""
    stem = kept_at(material, fold, epochs, options.name)
    path = stem.with_name(f"{stem.name}.safetensors")
    if not path.exists():
        trunk, weight = trunk_of(material, fold, epochs), options.path_weight
        heads = heads_for(material, voices, trunk, epochs, options)
        spellings = SPELLINGS if weight else ()
        steps = path_steps(spellings, heads)
        pieces = Pieces(trunk.body, trunk.phones, heads, spellings, weight, steps)
        detector_of(assemble(pieces), (WORD,)).save(path)
    return KeywordDetector.load(path)


def kept_at(material: Material, fold: int, epochs: int, name: str) -> Path:
    """Where what follows from a fold's trunk is kept by this name, without an ending."""
    phones_of(material, fold, epochs)
    trunk = trunk_path(material, fold, epochs).read_bytes()
    return material.work / f"{name}-{fold}-{hashlib.sha256(trunk).hexdigest()[:8]}"


def heads_for(
    material: Material, voices: Voices, trunk: FoldTrunk, epochs: int, options: Options
) -> tuple[Sequential, ...]:
    """The heads of a fold, of which the mean counts."""

    @cache
    def examples() -> Examples:
        kept = voices.to_learn(trunk.fold)[: 0 if options.without_recordings else None]
        return lessons_of(material, voices, trunk, options.splices).examples(kept)

    heads = []
    stem = kept_at(material, trunk.fold, epochs, options.learnt)
    for seed in range(options.heads):
        path = stem.with_name(f"{stem.name}-{options.steps}-{seed}.safetensors")
        if not path.exists():
            settings = replace(HEAD, steps=options.steps, widest=options.widest, seed=seed)
            halfway = path.with_suffix(".partial")
            head = train_head(examples(), settings, material.report, halfway)
            modelfile.save(path, folded(head), {"fold": trunk.fold})
            halfway.unlink(missing_ok=True)
        loaded = modelfile.load(path).net
        assert isinstance(loaded, Sequential)
        heads.append(loaded)
    return tuple(heads)


def heard_by(
    material: Material, voices: Voices, fold: int, detector: KeywordDetector, stem: Path
) -> tuple[Scores, Scores]:
    """Everything that a fold is measured on, heard once: the words and the speech."""
    words, speech = (
        heard(
            detector,
            rows,
            lambda rows=rows: read_samples(rows),  # type: ignore[misc]
            stem.with_name(f"{stem.name}-{name}.npz"),
            material.report,
        )
        for name, rows in (("words", voices.recordings), ("speech", material.held_out(fold)))
    )
    return words, speech


def measured(voices: Voices, fold: int, detector: KeywordDetector, parts: Parts) -> Measured:
    """What the mean of a fold's detectors made of what it is measured on; where in its window the
    word lies is learnt from the recordings that it knows.
    """
    words, speech = (mean_scores(each).of(WORD) for each in zip(*parts, strict=True))
    knows = placed(detector, {WORD: [words[n] for n in voices.to_learn(fold)]})
    others = [each for each in speech if not says(each.recording, WORD)]
    return Measured(knows, [words[n] for n in voices.left_out(fold)], others)


def found_at(
    folds: Sequence[Measured], rate: float, *, carried: bool
) -> tuple[dict[str, list[bool]], float]:
    """Whether each recording of each voice is found, and the false alarms an hour told: at
    thresholds that are `carried` over from the other folds' speech, or that come from the same.
    """
    alarms = [fold.alarms for fold in folds]
    found: dict[str, list[bool]] = {}
    own = [lowest_threshold(each, rate) for each in alarms]
    thresholds = thresholds_of(alarms, rate) if carried else own
    for fold, threshold in zip(folds, thresholds, strict=True):
        rule = Decider(fold.detector, WORD, threshold)
        for each in fold.words:
            found.setdefault(voice(each.recording), []).append(rule.found(each))
    told = sum(each.count(threshold) for each, threshold in zip(alarms, thresholds, strict=True))
    return found, told / sum(each.hours for each in alarms)


def in_short(found: Mapping[str, Sequence[bool]], alarms_an_hour: float) -> dict[str, object]:
    """Counts, and the mean over voices with its interval: voices are drawn, not recordings."""
    means = [float(np.mean(each)) for each in found.values()]
    share = mean_over_groups(means, list(found))
    return {
        "found": sum(map(sum, found.values())),
        "recordings": sum(map(len, found.values())),
        "voices": len(found),
        "mean_over_voices": round(share.value, 3),
        "interval": [round(share.low, 3), round(share.high, 3)],
        "false_alarms_per_hour": round(alarms_an_hour, 2),
        "missed": {name: each.count(False) for name, each in found.items() if not all(each)},
    }


class Options(argparse.Namespace):
    """What the command was told."""

    data: Path
    work: Path
    folds: list[int]
    epochs: list[int]
    steps: int
    heads: int
    widest: int
    path_weight: float
    splices: bool
    without_recordings: bool
    train_only: bool

    @property
    def learnt(self) -> str:
        """What heads learn from, as a name."""
        kinds = ("synthetic" if self.without_recordings else "left-out") + "-welcome"
        narrow = "" if self.widest == HEAD.widest else f"-within-{self.widest}"
        return kinds + ("" if self.splices else "-unspliced") + narrow

    @property
    def name(self) -> str:
        return f"{self.learnt}-{self.steps}-{self.heads}-{self.path_weight:g}"


def options_given() -> Options:
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("SWEEPNET_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--work", type=Path, default=Path("keyword-folds"))
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    told = "of trunks, whose mean counts if there are several"
    parser.add_argument(
        "--epochs", type=int, nargs="+", choices=EPOCHS, default=list(EPOCHS[:1]), help=told
    )
    parser.add_argument("--steps", type=int, default=HEAD.steps, help="of each of three rounds")
    parser.add_argument("--heads", type=int, default=2, help="of which the mean counts")
    told = "last dilation of a head; 6 makes windows of 1.49 s"
    parser.add_argument("--widest", type=int, default=HEAD.widest, help=told)
    parser.add_argument("--path-weight", type=float, default=6.0, help="of the word's phones")
    parser.add_argument("--no-splices", dest="splices", action="store_false")
    parser.add_argument("--without-recordings", action="store_true", help="synthetic words alone")
    parser.add_argument("--train-only", action="store_true", help="measure nothing")
    options = parser.parse_args(namespace=Options())
    if len(options.folds) < 2 and not options.train_only:
        parser.error("--folds: thresholds come from the other folds; give two or --train-only")
    return options


def main() -> None:
    options = options_given()
    options.work.mkdir(parents=True, exist_ok=True)
    with metered() as report:
        material = Material(options.data / "speech", options.work, report)
        voices, folds = Voices(material), []
        for fold in options.folds:
            parts = []
            for epochs in options.epochs:
                detector = detector_for(material, voices, fold, epochs, options)
                if not options.train_only:
                    stem = kept_at(material, fold, epochs, options.name)
                    parts.append(heard_by(material, voices, fold, detector, stem))
            if parts:
                folds.append(measured(voices, fold, detector, parts))
    if folds:
        report_all(folds, options)


def report_all(folds: Sequence[Measured], options: Options) -> None:
    """What is found at both kinds of threshold as a table, and as the last line."""
    table = Table(
        "Thresholds", "False alarms an hour", "Found", "of", "Mean over voices", "95 %", "Told"
    )
    told = {
        source: {f"{rate:g}": in_short(*found_at(folds, rate, carried=carried)) for rate in RATES}
        for source, carried in (("of other folds", True), ("of the measured speech", False))
    }
    for source, rows in told.items():
        for rate, row in rows.items():
            table.add_row(source, rate, *(str(row[name]) for name in COLUMNS))
    Console(stderr=True).print(table)
    learnt = {"learnt": options.name, "epochs": options.epochs}
    print(json.dumps({"bench": "keyword_welcome", **learnt, "thresholds": told}))


COLUMNS = ("found", "recordings", "mean_over_voices", "interval", "false_alarms_per_hour")


if __name__ == "__main__":
    main()
