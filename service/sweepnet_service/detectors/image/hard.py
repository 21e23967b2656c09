"""Pictures without objects that a detector takes for one, to be drawn more often than others.

Hard negatives (Sung 1996, bootstrapping; Felzenszwalb et al. 2010), mined once, before a training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .augment import free_crop
from .dataset import Photo
from .detector import ImageDetector
from .pixels import Picture

PIECES = 4
"""Parts that are looked at of a picture without objects."""
CUTS = 20
"""Parts between its objects that are looked for in a complete photo."""
LEAST_SCORE = 0.2


@dataclass(frozen=True)
class Hard:
    """Pictures without objects, each drawn as often as its score says."""

    photos: tuple[Photo, ...] = ()
    scores: tuple[float, ...] = ()

    def draw(self, rng: np.random.Generator) -> Photo:
        """One of them."""
        passed = np.cumsum(self.scores)
        at = int(np.searchsorted(passed, rng.random() * passed[-1], side="right"))
        return self.photos[min(at, len(self.photos) - 1)]


def mined(
    detector: ImageDetector,
    complete: Sequence[Photo],
    negative: Sequence[Photo],
    sure: float,
    seed: int,
) -> Hard:
    """Of the negatives, parts of them, and parts of complete photos between their objects: those
    in which the detector sees something. Of a photo what it is sure of is taken for an object
    that nobody labelled."""
    rng = np.random.default_rng(seed)
    without = _scored(detector, (*negative, *_parts(rng, negative, PIECES)))
    between = _scored(detector, _parts(rng, complete, CUTS))
    hard = [*without, *(pair for pair in between if pair[1] < sure)]
    return Hard(tuple(photo for photo, _ in hard), tuple(score for _, score in hard))


def _parts(rng: np.random.Generator, photos: Iterable[Photo], tries: int) -> list[Photo]:
    found = (free_crop(rng, photo) for photo in photos for _ in range(tries))
    return [part for part in found if part is not None]


def _scored(detector: ImageDetector, photos: Sequence[Photo]) -> list[tuple[Photo, float]]:
    """Those in which the detector sees something, by the look that costs least."""
    scores = [_presence(detector, photo) for photo in photos]
    return [(p, score) for p, score in zip(photos, scores, strict=True) if score >= LEAST_SCORE]


def _presence(detector: ImageDetector, photo: Photo) -> float:
    height, width = photo.pixels.shape[:2]
    seen = detector.sweep(Picture(photo.pixels, width, height), min(detector.sizes_px))
    return float(seen.presence.max())
