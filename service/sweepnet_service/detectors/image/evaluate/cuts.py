"""Presence in small: objects cut out of their photos against cuts of the same photos without any.

Foliage and ground beside the objects are the hardest negatives, and no folder holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from ..augment import free_crop
from ..dataset import Entry, Photo, load
from ..detector import ImageDetector
from ..pixels import Picture, Pixels


@dataclass(frozen=True)
class Cuts:
    """`pairs` photos gave a cut with an object and one without, of equal size; `auc`: how often
    the one with scores above the one without, over all pairs of cuts."""

    pairs: int
    auc: float


def cuts_of(detector: ImageDetector, entries: Sequence[Entry], seed: int = 0) -> Cuts | None:
    """The presence AUC of the cuts, None where no photo has room for both."""
    rng = np.random.default_rng(seed)
    scores = [
        (presence(detector, there), presence(detector, without))
        for entry in entries
        if entry.complete and len(entry.boxes)
        for there, without in cut(rng, load(entry, ()))
    ]
    if not scores:
        return None
    ranks = rankdata(np.array(scores).T.ravel())
    n = len(scores)
    return Cuts(n, float((ranks[:n].sum() - n * (n + 1) / 2) / (n * n)))


def cut(rng: np.random.Generator, photo: Photo) -> list[tuple[Pixels, Pixels]]:
    """One pair, with an object and without, if chance finds room for it; else none."""
    without = free_crop(rng, photo)
    if without is None:
        return []
    height, width = without.pixels.shape[:2]
    x0, y0, x1, y1 = photo.boxes[rng.integers(len(photo.boxes))].tolist()
    left = _start((x0 + x1) / 2, width, photo.pixels.shape[1])
    top = _start((y0 + y1) / 2, height, photo.pixels.shape[0])
    return [(photo.pixels[top : top + height, left : left + width], without.pixels)]


def _start(middle: float, length: int, limit: int) -> int:
    return int(np.clip(round(middle - length / 2), 0, limit - length))


def presence(detector: ImageDetector, pixels: Pixels) -> float:
    """The score that an object is anywhere in these pixels."""
    height_px, width_px = pixels.shape[:2]
    picture = Picture(np.ascontiguousarray(pixels), width_px, height_px)
    return detector.detect(picture).scores[detector.labels[0]]
