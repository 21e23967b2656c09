"""A detector that labels what people left out: boxes and doubtful regions of incomplete photos.

Self-training (Yarowsky 1995; for detection Sohn et al. 2020, STAC): what the teacher is sure of is
learned as if a person had drawn it, what it doubts is left out, and the rest is background.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from cnn_core.arrays import Array, Flags

from .boxes import area
from .config import TrainConfig
from .dataset import Photo
from .detector import ImageDetector
from .looks import joined
from .network import TOTAL_STRIDE_PX
from .objects import Objects
from .pixels import Picture
from .results import DetectOptions

SIZES = (0.75, 1.0, 1.5)
"""Shares of its own input size at which the teacher looks."""
MOST_BOXES = 300
"""A bed of tulips holds more than a detector is asked for by default."""
SAME = 0.5
"""The share of a found box within a labelled one from which both mean the same object."""


def completed_by(config: TrainConfig) -> Callable[[Photo], Photo]:
    """What completes a photo, by the teacher of a training; without one it stays as it is."""
    if config.teacher is None:
        return lambda photo: photo
    teacher = ImageDetector.load(config.teacher)
    return lambda photo: completed(photo, teacher, config.sure, config.doubtful)


def completed(photo: Photo, teacher: ImageDetector, sure: float, doubtful: float) -> Photo:
    """The photo with further boxes, of unknown species, and with regions of doubt; complete."""
    scores, boxes = looked(teacher, photo, doubtful)
    new = ~_labelled(boxes, photo.boxes)
    found = boxes[new & (scores >= sure)].astype(np.float32)
    return replace(
        photo,
        objects=Objects.joined((photo.objects, Objects.of(found))),
        complete=True,
        doubtful=boxes[new & (scores < sure)].astype(np.float32),
    )


def looked(teacher: ImageDetector, photo: Photo, least: float) -> tuple[Array, Array]:
    """Scores (n,) and boxes (n, 4) of all that the teacher finds at its several sizes."""
    height, width = photo.pixels.shape[:2]
    picture, options = Picture(photo.pixels, width, height), DetectOptions(max_boxes=MOST_BOXES)
    sizes = [_whole(teacher.size_px * share) for share in SIZES]
    found = joined([teacher.sweep(picture, size).found(least, options) for size in sizes], options)
    return found.scores, found.boxes


def _whole(side_px: float) -> int:
    return round(side_px / TOTAL_STRIDE_PX) * TOTAL_STRIDE_PX


def _labelled(boxes: Array, known: Array) -> Flags:
    """Whether each box (n, 4) lies mostly within one of the known ones (m, 4), or holds it."""
    low = np.maximum(boxes[:, None, :2], known[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], known[None, :, 2:])
    shared = area(np.concatenate((low, high), axis=-1))
    smaller = np.minimum(area(boxes)[:, None], area(known)[None])
    return np.asarray((shared > SAME * np.maximum(smaller, 1e-9)).any(axis=1), bool)


def digest_of(model: Path) -> str:
    """16 characters that tell this model file from others."""
    return hashlib.sha256(model.read_bytes()).hexdigest()[:16]
