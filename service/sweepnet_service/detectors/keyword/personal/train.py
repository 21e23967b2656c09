"""`sweepnet train personal`: 3 to 20 recordings of a word -> a model, and how good it will be.

The word needs no dictionary entry: the trunk reads its phones off the recordings. Every stage is
kept in `work_dir`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cnn_core.arrays import Integers
from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword import card
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble, path_steps
from sweepnet_service.detectors.keyword.claim import claim
from sweepnet_service.detectors.keyword.config import TrainConfig
from sweepnet_service.detectors.keyword.dataset import Spoken
from sweepnet_service.detectors.keyword.detector import FEWEST_HOURS, KeywordDetector
from sweepnet_service.detectors.keyword.evaluate import Heard, hours
from sweepnet_service.detectors.keyword.evaluate.heard import hear_labels
from sweepnet_service.detectors.keyword.head import kept_head
from sweepnet_service.detectors.keyword.held_out import HeldOut
from sweepnet_service.detectors.keyword.material import SYNTHETIC, Material
from sweepnet_service.detectors.keyword.personal.config import (
    PersonalConfig,
    check,
    deciding,
    word_recordings,
)
from sweepnet_service.detectors.keyword.personal.decoded import spellings_in
from sweepnet_service.detectors.keyword.personal.estimate import (
    Part,
    Told,
    judged,
    mapped,
    threshold_of,
    told_at,
)
from sweepnet_service.detectors.keyword.personal.lessons import Lessons, lessons
from sweepnet_service.detectors.keyword.phones import mean_length
from sweepnet_service.detectors.keyword.spelled import reading_in, weight_for
from sweepnet_service.detectors.keyword.tuning import DEFAULT_RATE, placement, tuned, untuned
from sweepnet_service.progress import Progress, Report, paced, timed

__all__ = ["PersonalConfig", "train"]
TIMES = 5
"""How often some recordings are left out."""
ALL, LEFT, HALF = "all", "left", "half"
OF_VOICES = (
    "The estimate is of those whose recordings were given: of other voices a spotter of so few may "
    "miss far more."
)
ON_SYNTHETIC = (
    "False alarms were counted in synthetic speech, full of words that sound alike; talk of people "
    "brings others, mostly fewer: give some without the word (--other) and they are counted there "
    "too."
)


@dataclass(frozen=True)
class Version:
    """A spotter that learns from some of the recordings only: its label, those it has `kept`, and
    those that it is measured on.
    """

    label: str
    kept: Integers
    left: Integers


def train(config: PersonalConfig, progress: Report) -> Path:
    """Train, estimate and tune; returns the path of the model file, its card beside it."""
    report = timed(progress)
    check(config)
    spoken = word_recordings(config)
    claim(config.work_dir, deciding(config, [row for row, _ in spoken]))
    known = lessons(config, spoken, report)
    chosen = versions([row.speaker for row, _ in spoken])
    pieces = {each.label: made(config, known, each, report) for each in chosen}
    net = assemble(*pieces.values())
    together = untuned(net, tuple(pieces), known.spectral.feeds)
    heard = Hearings.of(together, spoken, known, report)
    told = told_of(together, chosen, heard)
    report(Progress("estimate", 1, 1, 0.0))
    whole = untuned(assemble(pieces[ALL]), config.keyword, known.spectral.feeds)
    card.save(finished(config, whole, chosen, heard, told), config.out)
    report(Progress("done", 1, 1, 0.0, str(config.out)))
    return config.out


def versions(speakers: Sequence[str]) -> list[Version]:
    """The spotter of all recordings; some with a fifth of the speakers left out, or one at a time
    of fewer; and as many that hear half of what those hear, where that is anything.
    """
    names = sorted(set(speakers))
    part = np.array([names.index(name) % TIMES for name in speakers])
    everything = np.arange(len(speakers))
    found = [Version(ALL, everything, everything[:0])]
    for number in range(min(TIMES, len(names)) if len(names) > 1 else 0):
        kept, left = np.flatnonzero(part != number), np.flatnonzero(part == number)
        found.append(Version(f"{LEFT}-{number}", kept, left))
        if len(kept) > 1:
            found.append(Version(f"{HALF}-{number}", kept[::2][: len(kept) // 2], left))
    return found


def made(config: PersonalConfig, known: Lessons, version: Version, report: Report) -> Pieces:
    """What a version is made of: its head, kept in the work folder, and the spellings that its
    recordings have.
    """
    spellings = spellings_in([known.logits[index] for index in version.kept])
    weight = weight_for(reading_in(config.trunk), mean_length(spellings))
    head = head_of(config, known, version, report)
    return Pieces(
        known.trunk, known.phones, (head,), spellings, weight, path_steps(spellings, (head,))
    )


def head_of(config: PersonalConfig, known: Lessons, version: Version, report: Report) -> Sequential:
    """The head of a version."""
    settings = replace(config.head_settings, seed=config.seed)
    path = config.work_dir / f"head-{version.label}.safetensors"
    return kept_head(path, lambda: known.examples(version.kept), settings, report)


@dataclass(frozen=True)
class Hearings:
    """What all versions made of the recordings and of other sound, each by label."""

    words: Sequence[dict[str, Heard]]
    choose: Sequence[dict[str, Heard]]
    count: Sequence[dict[str, Heard]]

    @classmethod
    def of(
        cls, detector: KeywordDetector, spoken: Sequence[Spoken], known: Lessons, report: Report
    ) -> Hearings:
        """Everything heard once, all versions on one trunk."""
        parts = (spoken, known.choose, known.count)
        tell, done = paced("hearing", sum(map(len, parts)), report), 0
        found: list[list[dict[str, Heard]]] = []
        for part in parts:
            found.append([])
            for each in hear_labels(detector, part, detector.labels):
                found[-1].append(each)
                tell(done := done + 1)
        return cls(*found)

    def left(self, version: Version) -> list[Heard]:
        """What a version made of the recordings that it did not learn from."""
        return [self.words[index][version.label] for index in version.left]

    def other(self, label: str) -> list[Heard]:
        """What a version made of all other sound."""
        return [each[label] for each in (*self.choose, *self.count)]


def told_of(detector: KeywordDetector, chosen: Sequence[Version], heard: Hearings) -> Told:
    """The estimate: of versions that heard all but some, and of those that heard half as much."""
    whole, half = (
        [each for each in chosen if each.label.startswith(kind)] for kind in (LEFT, HALF)
    )
    detector = replace(
        detector,
        placements={
            each.label: placement(detector, [heard.words[index][each.label] for index in each.kept])
            for each in chosen
        },
    )

    def parts(versions: Sequence[Version]) -> list[Part]:
        return [
            Part(
                each.label,
                heard.left(each),
                [row[each.label] for row in heard.choose],
                [row[each.label] for row in heard.count],
            )
            for each in versions
        ]

    return Told(judged(detector, parts(whole)), judged(detector, parts(half)) if half else None)


def finished(
    config: PersonalConfig,
    detector: KeywordDetector,
    chosen: Sequence[Version],
    heard: Hearings,
    told: Told,
) -> KeywordDetector:
    """The detector of all recordings, calibrated on what left-out ones scored, with its card."""
    label = config.keyword
    left_out = (version for version in chosen if version.label.startswith(LEFT))
    left = [each for version in left_out for each in heard.left(version)]
    other = heard.other(ALL)
    people = [each for each in other if each.recording.path != SYNTHETIC]
    spoken = [each for each in other if each.recording.path == SYNTHETIC]
    alone = hours(people) >= FEWEST_HOURS
    speech, besides = (people, spoken) if alone else (other, [])
    learnt = [each[ALL] for each in heard.words]
    cut = threshold_of(detector, Part(label, (), other, ()))
    scaled = tuned(detector, label, left, speech, learnt, besides)
    if DEFAULT_RATE not in {p.false_alarms_per_hour for p in scaled.operating_points[label]}:
        scaled = told_at(scaled, label, mapped(cut, detector, scaled), hours(other), told)
    detector = scaled
    material = Material(
        positive=[each.recording for each in learnt],
        speech=[each.recording for each in people],
        synthetic_negative=[(each.recording, np.empty(0)) for each in spoken],
    )
    notes = (OF_VOICES,) if alone else (OF_VOICES, ON_SYNTHETIC)
    as_training = TrainConfig(
        keyword=label,
        out=config.out,
        work_dir=config.work_dir,
        trunk=config.trunk,
        head_settings=config.head_settings,
        heads=1,
        notes=notes,
        seed=config.seed,
    )
    made = card.make(as_training, material, detector, None, HeldOut(tuple(left), tuple(speech)))
    return replace(detector, card={**made, "estimate": told.to_dict()})
