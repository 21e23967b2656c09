"""Positions of one look that tell the same object: -> its box, its points and its score.

The mean over neighbours errs less than the best of them alone (box voting, Gidaris and Komodakis
2015): one position that errs high makes no object, and the best is not always the best placed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cnn_core.arrays import Array, Flags

from .boxes import Letterbox, area
from .found import Found, mean_of, overlaps, together

AGREE_IOU = 0.6
"""Overlap of boxes from which on they tell the same object."""
VOTE_SIDE_PX = 16.0
"""An object has as many voters as such squares of the input lie in it: small ones have few."""
LEAST_SCORE = 0.1
"""What scores lower tells its own box and score: votes would cost time and hardly change either."""
MOST_VOTERS = 64
MOST_PAIRS = 1_000_000
"""Overlaps at a time: 8 MiB."""


def best_mean(scores: Array, voters: int) -> Array:
    """Scores (places, labels) -> (labels,): the mean of the best `voters` of each label."""
    count = min(voters, len(scores))
    return np.asarray(np.partition(scores, -count, axis=0)[-count:].mean(axis=0))


def voted(
    best: Found, every: Found, voters: int, iou: float, letterbox: Letterbox, turned: bool
) -> Found:
    """The `best` objects; each that scores enough with the mean box of all in `every` that agree,
    weighted by score, and with the mean score of at most `voters` of these. `iou`: from which
    overlap on the best have suppressed others; those that they left tell other objects."""
    agree_iou = max(AGREE_IOU, iou)
    heard = best[best.scores >= LEAST_SCORE]
    rows = max(1, MOST_PAIRS // max(1, len(every.scores)))
    told = [
        _told(part, every, _agreeing(part, every, agree_iou, turned), voters, letterbox, turned)
        for part in (heard[at : at + rows] for at in range(0, len(heard.scores), rows))
    ]
    return together([*told, best[best.scores < LEAST_SCORE]])


def _agreeing(best: Found, every: Found, iou: float, turned: bool) -> Flags:
    """Who tells the same as each of the best, itself too: (n, m). Who scores higher does not: it
    tells a better one."""
    label: Flags = best.labels[:, None] == every.labels
    itself: Flags = (best.cells[:, None] == every.cells).all(axis=-1)
    lower: Flags = every.scores <= best.scores[:, None]
    return label & (itself | (lower & (overlaps(best, every, turned) >= iou)))


def _told(
    best: Found, every: Found, agree: Flags, voters: int, letterbox: Letterbox, turned: bool
) -> Found:
    squares = area(best.boxes) * np.prod(letterbox.scale) / VOTE_SIDE_PX**2
    counts = np.minimum(np.clip(np.rint(squares), 1, voters).astype(np.intp), agree.sum(axis=1))
    weights = np.where(agree, every.scores.astype(np.float64), 0)
    most = min(voters, weights.shape[1])
    ranked = -np.sort(np.partition(-weights, most - 1, axis=1)[:, :most], axis=1)
    scores = np.cumsum(ranked, axis=1)[np.arange(len(counts)), counts - 1] / counts
    if turned:
        groups = [every[np.flatnonzero(row)] for row in agree]
        means = together([mean_of(group, letterbox, turned) for group in groups])
        return replace(means, cells=best.cells, scores=scores)
    share = weights / weights.sum(axis=1, keepdims=True)
    boxes, points = letterbox.clipped(share @ every.boxes), np.tensordot(share, every.points, 1)
    return replace(best, scores=scores, boxes=boxes, points=points)
