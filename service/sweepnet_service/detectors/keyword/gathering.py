"""All that a training learns from, by role: data sets with verdicts, synthetic speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sweepnet_service.detectors.keyword import synthesis
from sweepnet_service.detectors.keyword.augment import loud_span_s
from sweepnet_service.detectors.keyword.config import check_classes
from sweepnet_service.detectors.keyword.dataset import Recording, read_samples
from sweepnet_service.detectors.keyword.intake import Dataset, read_dataset
from sweepnet_service.detectors.keyword.material import Material, material_of, with_synthetic
from sweepnet_service.detectors.keyword.near import near_words
from sweepnet_service.detectors.keyword.verdicts import Verdict, summary, usable, verdicts
from sweepnet_service.progress import Progress, Report

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.config import TrainConfig

LONGEST_ALONE_S = 1.6
"""A recording whose louder part is no longer holds the word alone: that part is the word."""


@dataclass(frozen=True)
class Located:
    """Recordings of the word: those with its place, and those that hold it somewhere."""

    placed: Sequence[Recording] = ()
    weak: Sequence[Recording] = ()


def folder_of(config: TrainConfig) -> Dataset | None:
    """The user's own data set as it was read."""
    return read_dataset(config.folder) if config.folder is not None else None


def judged_of(config: TrainConfig, own: Dataset, report: Report) -> list[Verdict]:
    """A verdict for each recording of the user's data set, also in the work folder's table."""
    found = verdicts(own, config.work_dir, report)
    report(Progress("recordings checked", len(found), len(found), None, summary(found)))
    return found


def usable_of(config: TrainConfig, own: Dataset | None, report: Report) -> Dataset | None:
    """What of the user's data set can be learnt from. Raises InvalidInput where it is refused."""
    if own is None:
        return None
    kept = usable(own, judged_of(config, own, report))
    check_classes(kept, config)
    return kept


def gather(config: TrainConfig, own: Dataset | None, report: Report) -> Material:
    """All material for the head of one keyword: recordings and synthetic speech."""
    material = material_of(config.data, config.keyword) if config.data else Material()
    if own is not None:
        train = own.part("train")
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
    return with_synthetic(material, spoken, other, config.work_dir, report)


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
