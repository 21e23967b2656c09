"""What several looks at one picture found, as one list of objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cnn_core.arrays import Array, Flags, Integers
from cnn_core.decide import agreeing

from .boxes import Letterbox
from .found import Found, apart, mean_of, overlaps, together
from .results import DetectOptions


def joined(found: Sequence[Found], options: DetectOptions, turned: bool = False) -> Found:
    """What several looks found without doubles, of which the best stays."""
    return found[0] if len(found) == 1 else apart(together(found), options, turned)


def fused(
    looks: Sequence[Found],
    thresholds: Array,
    options: DetectOptions,
    letterbox: Letterbox,
    turned: bool = False,
) -> Found:
    """Objects as the mean of what the looks told of each, weighted by score (weighted boxes fusion,
    Solovyev et al. 2021), with their mean score: those at or above the threshold of their label.
    `looks` hold all boxes down to FAINT."""
    every = together(looks)
    by = np.repeat(np.arange(len(looks)), [len(found.scores) for found in looks])
    # No mean is above the best of its group, so others need not be grouped.
    able = every.scores >= thresholds[every.labels]
    means = [
        _mean(every[group], len(looks), letterbox, turned)
        for label in np.unique(every.labels[able])
        for group in _groups(every, by, every.labels == label, able, options, turned)
    ]
    found = together(means or [every[:0]])
    return apart(found[found.scores >= thresholds[found.labels]], options, turned)


def _groups(
    every: Found, by: Integers, own: Flags, able: Flags, options: DetectOptions, turned: bool
) -> list[Integers]:
    """The indices of what belongs together, of those of one label (`own`) that are `able` to be the
    best of a group."""
    heads, all_own = np.flatnonzero(own & able), np.flatnonzero(own)
    near = all_own[
        (overlaps(every[heads], every[all_own], turned) > options.overlap_iou).any(axis=0)
    ]
    rows = np.union1d(heads, near)
    alike = overlaps(every[rows], every[rows], turned)
    groups = agreeing(alike, every.scores[rows], by[rows], options.overlap_iou)
    return [rows[group] for group in groups if able[rows[group[0]]]]


def _mean(found: Found, looks: int, letterbox: Letterbox, turned: bool) -> Found:
    """One object of what some of the `looks` told of it, best first."""
    scores = found.scores.sum(keepdims=True) / looks
    return replace(mean_of(found, letterbox, turned), scores=scores)
