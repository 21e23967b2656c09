"""Detectors as plain functions: a batch of windows in, a batch of scores out, nothing kept.

For clients that cut windows themselves, as those of the Open Inference Protocol do. A window's
scores are those that a stream or a picture gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sweepnet_service.errors import InvalidInput, LimitExceeded
from sweepnet_service.pcm import first_wrong

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from sweepnet_service.detectors.image import ImageDetector
    from sweepnet_service.detectors.keyword import KeywordDetector
    from sweepnet_service.store.entries import Detector

    Values: TypeAlias = NDArray[Any]

SCORES = "scores"
BLOCK = 16
"""Windows of audio at a time: their features and maps stay small."""


@dataclass(frozen=True)
class Tensor:
    """One input or output as it is described: -1 where any length will do."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class WindowModel:
    """What goes in and what comes out."""

    platform: str
    input: Tensor
    output: Tensor
    labels: tuple[str, ...]


def described(detector: Detector) -> WindowModel:
    """The detector as a function of windows."""
    if is_keyword(detector):
        given = Tensor("audio", "FP32", (-1, int(detector.window.size)))
        platform = "sweepnet_keyword"
    else:
        given, platform = Tensor("picture", "UINT8", (-1, -1, -1, 3)), "sweepnet_image"
    scores = Tensor(SCORES, "FP32", (-1, len(detector.labels)))
    return WindowModel(platform, given, scores, detector.labels)


def scored(detector: Detector, windows: Values) -> Values:
    """Scores (n, labels), float32, of windows as `described` says.

    Audio is float32 (n, samples) in -1..1 at the detector's rate; pictures are uint8 (n, H, W, 3).
    Raises InvalidInput or LimitExceeded.
    """
    if is_keyword(detector):
        return _heard(detector, windows)
    return np.array([_seen(detector, picture) for picture in windows], np.float32)


def is_keyword(detector: Detector) -> TypeIs[KeywordDetector]:
    """Whether it hears; otherwise it sees."""
    return hasattr(detector, "window")


def _heard(detector: KeywordDetector, windows: Values) -> Values:
    if (at := first_wrong(windows)) is not None:
        raise InvalidInput("audio", f"window {at} holds NaN or values far beyond 1")
    blocks = [_block(detector, windows[at : at + BLOCK]) for at in range(0, len(windows), BLOCK)]
    return np.concatenate([np.empty((0, len(detector.labels)), np.float32), *blocks])


def _block(detector: KeywordDetector, windows: Values) -> Values:
    frames = np.stack([detector.features.frames(window) for window in windows])
    return np.asarray(detector.net.forward(frames)[:, 0], np.float32)


def _seen(detector: ImageDetector, picture: Values) -> Sequence[float]:
    from sweepnet_service.detectors.image.pixels import Picture

    height, width = picture.shape[:2]
    if height * width > detector.limits.pixels or not height or not width:
        raise LimitExceeded(
            "picture", f"got {width} x {height} px; expected 1 to {detector.limits.pixels} pixels"
        )
    given = Picture(picture, width, height)
    return detector.presence([detector.sweep(given, size) for size in detector.sizes_px])
