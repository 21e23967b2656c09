"""All that a training learns from, by role: data sets with verdicts, synthetic speech."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sweepnet_service.detectors.keyword import synthesis
from sweepnet_service.detectors.keyword.augment import loud_span_s
from sweepnet_service.detectors.keyword.config import check_classes
from sweepnet_service.detectors.keyword.dataset import Recording, read_samples
from sweepnet_service.detectors.keyword.intake import Dataset, read_dataset
from sweepnet_service.detectors.keyword.material import Material, material_of, with_synthetic
from sweepnet_service.detectors.keyword.near import near_words
from sweepnet_service.detectors.keyword.verdicts import VERDICTS, Verdict, summary, usable, verdicts
from sweepnet_service.progress import Progress, Report

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.config import TrainConfig

FOREIGN_OF = 2
"""For so many synthetic words one more is spoken as speakers of other languages say it."""
LONGEST_ALONE_S = 1.6
"""A recording whose louder part is no longer holds the word alone: that part is the word."""


@dataclass(frozen=True)
class Checked:
    """What can be learnt from of the user's own data set, and what cannot of the shipped models'
    data, by place.
    """

    own: Dataset | None = None
    left_out: frozenset[tuple[Path, float]] = frozenset()


@dataclass(frozen=True)
class Located:
    """Recordings of the word: those with its place, and those that hold it somewhere."""

    placed: Sequence[Recording] = ()
    weak: Sequence[Recording] = ()


def folder_of(config: TrainConfig) -> Dataset | None:
    """The user's own data set as it was read."""
    return read_dataset(config.folder) if config.folder is not None else None


def judged_of(config: TrainConfig, report: Report) -> Iterator[tuple[Dataset, list[Verdict], Path]]:
    """The data sets of a training, the user's own first: a verdict for each recording, also in the
    table at the path.
    """
    own = folder_of(config)
    shipped = read_dataset(config.data) if config.data is not None else None
    for data, place in ((own, config.work_dir), (shipped, config.work_dir / "data")):
        if data is not None:
            yield data, verdicts(data, place, report), place / VERDICTS


def checked(config: TrainConfig, report: Report) -> Checked:
    """What can be learnt from. Raises InvalidInput where a data set is refused."""
    own: Dataset | None = None
    left: set[tuple[Path, float]] = set()
    for data, found, _ in judged_of(config, report):
        report(Progress("recordings checked", len(found), len(found), None, summary(found)))
        kept = usable(data, found)
        if data.where == config.folder:
            own = kept
            check_classes(kept, config)
        else:
            left |= {place_of(verdict.recording) for verdict in found if not verdict.ok}
    return Checked(own, frozenset(left))


def place_of(row: Recording) -> tuple[Path, float]:
    """Which recording it is: its file and where it begins there."""
    return row.path, row.start_s


def gather(config: TrainConfig, data: Checked, report: Report) -> Material:
    """All material for the head of one keyword: recordings and synthetic speech."""
    material = Material()
    if config.data is not None:
        material = without(material_of(config.data, config.keyword), data.left_out)
    if data.own is not None:
        train = data.own.part("train")
        found = located(train, config.keyword)
        material = replace(
            material,
            positive=[*material.positive, *found.placed],
            weak=found.weak,
            speech=[*material.speech, *train.negative(config.keyword)],
            noise=[*material.noise, *train.noise],
        )
    if not config.synthesize:
        return material
    rng = np.random.default_rng((config.seed, 2))
    spoken = synthesis.positives(config.keyword, config.synthesize, rng)
    other = synthesis.negatives(near_texts(config), config.synthesize, rng, config.keyword)
    foreign = synthesis.foreign(config.keyword, config.synthesize // FOREIGN_OF, rng)
    return with_synthetic(material, (spoken, foreign), other, config.work_dir, report)


def without(material: Material, left_out: Container[tuple[Path, float]]) -> Material:
    """The material without recordings that cannot be learnt from."""
    return replace(
        material,
        positive=[row for row in material.positive if place_of(row) not in left_out],
        speech=[row for row in material.speech if place_of(row) not in left_out],
        noise=[row for row in material.noise if place_of(row) not in left_out],
    )


def near_texts(config: TrainConfig) -> tuple[str, ...]:
    """Words beside the keyword: near ones, as given or derived, and common ones."""
    return (*(config.near_words or near_words(config.keyword)), *synthesis.COMMON)


def located(data: Dataset, keyword: str) -> Located:
    """The recordings of the word; where nobody told the place, a word alone is its louder part."""
    placed, weak = data.placed(keyword), []
    for row, samples in read_samples(data.weak(keyword)):
        start_s, end_s = loud_span_s(samples)
        if end_s - start_s <= LONGEST_ALONE_S:
            word_s = (row.start_s + start_s, row.start_s + end_s)
            placed.append(replace(row, word_s=word_s))
        else:
            weak.append(row)
    return Located(placed, weak)
