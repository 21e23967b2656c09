"""How many of all recordings of "welcome" are found by detectors that never heard their voices.

Each voice is left out once: a head on its fold's frozen trunk learns from the other voices, from
synthetic and spliced words; thresholds come from the speech of the other folds. Kept in --work,
which may be that of benchmarks/keyword_folds (it shares the trunks). The last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

# The folds, their material and trunks are those of the benchmark beside this one.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "keyword_folds"))

from hearing import Scores, detector_of, heard, placed
from learning import phones_of
from leaving import WORD, Voices
from lessons import SPELLING, FoldLessons, lessons_of
from material import Material

from cnn_core import modelfile
from cnn_core.fold import fold as folded
from cnn_core.layers import Sequential
from sweepnet_service.commands.meter import metered
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble
from sweepnet_service.detectors.keyword.dataset import read_samples, says
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import (
    Alarms,
    Decider,
    Heard,
    mean_over_groups,
    threshold_at,
)
from sweepnet_service.detectors.keyword.folds import FOLDS, voice
from sweepnet_service.detectors.keyword.head import HeadSettings, train_head

RATES = (0.5, 2.0, 5.0)
HEAD = HeadSettings(steps=300, rounds=3)


@dataclass(frozen=True)
class Measured:
    """What the detectors of a fold, a label for each left-out voice, made of words and speech."""

    detector: KeywordDetector
    words: Scores
    speech: Scores

    def said(self, name: str) -> list[Heard]:
        """The recordings of a voice, by the detector that never heard it."""
        return [each for each in self.words.of(name) if voice(each.recording) == name]

    def alarms(self, name: str) -> Alarms:
        """The false alarms of a voice's detector."""
        other = [each for each in self.speech.of(name) if not says(each.recording, WORD)]
        return Alarms(self.detector, name, other)


def detector_for(
    material: Material, voices: Voices, fold: int, options: Options
) -> KeywordDetector:
    """The detectors of a fold's voices side by side on its trunk."""
    stem = kept_at(material, fold, options.name)
    path = stem.with_name(f"{stem.name}.safetensors")
    if not path.exists():
        known = lessons_of(material, voices, fold, options.splices)
        heads = {
            name: heads_for(material, voices, known, fold, name, options)
            for name in voices.of_fold(fold)
        }
        pieces = [
            Pieces(known.trunk, known.phones, own, (SPELLING,), options.path_weight)
            for own in heads.values()
        ]
        detector_of(assemble(*pieces), list(heads)).save(path)
    return KeywordDetector.load(path)


def kept_at(material: Material, fold: int, name: str) -> Path:
    """Where what follows from a fold's trunk is kept by this name, without an ending."""
    phones_of(material, fold)
    trunk = (material.work / f"trunk-{fold}.safetensors").read_bytes()
    return material.work / f"{name}-{fold}-{hashlib.sha256(trunk).hexdigest()[:8]}"


def heads_for(
    material: Material,
    voices: Voices,
    known: FoldLessons,
    fold: int,
    name: str,
    options: Options,
) -> tuple[Sequential, ...]:
    """The heads without one voice, their mean counts; without recordings they are a fold's own."""
    kept = voices.to_learn_without(name, fold)
    who = name
    if options.without_recordings:
        kept, who = kept[:0], f"fold{fold}"
    heads = []
    stem = kept_at(material, fold, options.learnt)
    for seed in range(options.heads):
        path = stem.with_name(f"{stem.name}-{who}-{options.steps}-{seed}.safetensors")
        if not path.exists():
            settings = replace(HEAD, steps=options.steps, seed=seed)
            halfway = path.with_suffix(".partial")
            head = train_head(known.examples(kept), settings, material.report, halfway)
            modelfile.save(path, folded(head), {"without": who})
            halfway.unlink(missing_ok=True)
        loaded = modelfile.load(path).net
        assert isinstance(loaded, Sequential)
        heads.append(loaded)
    return tuple(heads)


def measured(
    material: Material, voices: Voices, fold: int, detector: KeywordDetector, stem: Path
) -> Measured:
    """Everything that a fold's detectors are measured on, heard once."""
    rows, speech = voices.recordings, material.held_out(fold)
    words, told = (
        heard(
            detector,
            part,
            lambda part=part: read_samples(part),  # type: ignore[misc]
            stem.with_name(f"{stem.name}-{name}.npz"),
            material.report,
        )
        for name, part in (("words", rows), ("speech", speech))
    )
    own = {
        label: [words.of(label)[n] for n in voices.to_learn_without(label, fold)]
        for label in detector.labels
    }
    return Measured(placed(detector, own), words, told)


def found_at(folds: Sequence[Measured], rate: float) -> tuple[dict[str, list[bool]], float]:
    """Whether each recording of each voice is found, at thresholds from the other folds' speech;
    and the false alarms an hour that these thresholds then told.
    """
    alarms = [[fold.alarms(name) for name in fold.detector.labels] for fold in folds]
    found: dict[str, list[bool]] = {}
    told, hours = 0, 0.0
    for place, fold in enumerate(folds):
        others = [each for other in (*alarms[:place], *alarms[place + 1 :]) for each in other]
        threshold = threshold_at(others, rate)
        for name, own in zip(fold.detector.labels, alarms[place], strict=True):
            rule = Decider(fold.detector, name, threshold)
            found[name] = [rule.found(each) for each in fold.said(name)]
            told, hours = told + own.count(threshold), hours + own.hours
    return found, told / hours


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
    steps: int
    heads: int
    path_weight: float
    splices: bool
    without_recordings: bool
    train_only: bool

    @property
    def learnt(self) -> str:
        """What heads learn from, as a name."""
        kinds = ("synthetic" if self.without_recordings else "left-out") + "-welcome"
        return kinds if self.splices else f"{kinds}-unspliced"

    @property
    def name(self) -> str:
        return f"{self.learnt}-{self.steps}-{self.heads}-{self.path_weight:g}"


def options_given() -> Options:
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("SWEEPNET_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=data)
    parser.add_argument("--work", type=Path, default=Path("keyword-folds"))
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--steps", type=int, default=HEAD.steps, help="of each of three rounds")
    parser.add_argument("--heads", type=int, default=1, help="of which the mean counts")
    parser.add_argument("--path-weight", type=float, default=3.0, help="of the word's phones")
    parser.add_argument("--no-splices", dest="splices", action="store_false")
    parser.add_argument("--without-recordings", action="store_true", help="synthetic words alone")
    parser.add_argument("--train-only", action="store_true", help="measure nothing")
    return parser.parse_args(namespace=Options())


def main() -> None:
    options = options_given()
    options.work.mkdir(parents=True, exist_ok=True)
    with metered() as report:
        material = Material(options.data / "speech", options.work, report)
        voices, folds = Voices(material), []
        for fold in options.folds:
            detector = detector_for(material, voices, fold, options)
            if not options.train_only:
                stem = kept_at(material, fold, options.name)
                folds.append(measured(material, voices, fold, detector, stem))
    if options.train_only:
        return
    table = Table("False alarms an hour", "Found", "of", "Mean over voices", "95 %", "Told an hour")
    told = {f"{rate:g}": in_short(*found_at(folds, rate)) for rate in RATES}
    for rate, row in told.items():
        table.add_row(rate, *(str(row[name]) for name in COLUMNS))
    Console(stderr=True).print(table)
    print(json.dumps({"bench": "keyword_welcome", "learnt": options.name, **told}))


COLUMNS = ("found", "recordings", "mean_over_voices", "interval", "false_alarms_per_hour")


if __name__ == "__main__":
    main()
