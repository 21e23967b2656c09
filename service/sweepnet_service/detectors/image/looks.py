"""What several looks at one picture found, as one list of objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from cnn_core.arrays import Array, Flags, Integers
from cnn_core.decide import agreeing, box_iou
from cnn_core.decide.polygons import hulls, polygon_iou

from .annotations import clockwise
from .boxes import Letterbox
from .mirror import nearest_order
from .results import DetectOptions
from .sweep import Found, apart

FAINT = 0.02
"""Boxes that a look scores lower count as 0 in a mean, and are not told, whatever the threshold is:
so a box has the same score at each."""


def joined(found: Sequence[Found], options: DetectOptions, turned: bool = False) -> Found:
    """What several looks found without doubles, of which the best stays."""
    return found[0] if len(found) == 1 else apart(_together(found), options, turned)


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
    every = _together(looks)
    by = np.repeat(np.arange(len(looks)), [len(found.scores) for found in looks])
    # No mean is above the best of its group, so others need not be grouped.
    able = every.scores >= thresholds[every.labels]
    means = [
        _mean(every[group], len(looks), letterbox, turned)
        for label in np.unique(every.labels[able])
        for group in _groups(every, by, every.labels == label, able, options, turned)
    ]
    found = _together(means or [every[:0]])
    return apart(found[found.scores >= thresholds[found.labels]], options, turned)


def _groups(
    every: Found, by: Integers, own: Flags, able: Flags, options: DetectOptions, turned: bool
) -> list[Integers]:
    """The indices of what belongs together, of those of one label (`own`) that are `able` to be the
    best of a group."""
    heads, all_own = np.flatnonzero(own & able), np.flatnonzero(own)
    near = all_own[(_overlaps(every, heads, all_own, turned) > options.overlap_iou).any(axis=0)]
    rows = np.union1d(heads, near)
    overlaps = _overlaps(every, rows, rows, turned)
    groups = agreeing(overlaps, every.scores[rows], by[rows], options.overlap_iou)
    return [rows[group] for group in groups if able[rows[group[0]]]]


def _overlaps(every: Found, ones: Integers, others: Integers, turned: bool) -> Array:
    """IoU of turned boxes or of upright ones: (n,), (m,) -> (n, m)."""
    if turned:
        return polygon_iou(every.points[ones], every.points[others])
    return box_iou(every.boxes[ones], every.boxes[others])


def _mean(found: Found, looks: int, letterbox: Letterbox, turned: bool) -> Found:
    """One object of what some of the `looks` told of it, best first."""
    share = found.scores / found.scores.sum()
    points = nearest_order(found.points, found.points[:1]) if turned else found.points
    points = np.tensordot(share, points, 1)[None]
    return replace(
        found[:1],
        scores=found.scores.sum(keepdims=True) / looks,
        boxes=letterbox.clipped(hulls(points)) if turned else (share @ found.boxes)[None],
        points=clockwise(points) if turned else points,
    )


def _together(found: Sequence[Found]) -> Found:
    """One list after the other; cells are those of each look."""
    return Found(
        *(np.concatenate([getattr(each, part.name) for each in found]) for part in fields(Found))
    )
