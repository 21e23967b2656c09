"""A small detector with random weights, and signals to feed it."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.arrays import Array
from cnn_core.layers import Conv1d, Sequential
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.assembly import Calibrated, Pieces, assemble
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.head import HeadSettings, build_head
from sweepnet_service.detectors.keyword.trunk import CHANNELS, build_trunk
from sweepnet_service.detectors.keyword.tuning import untuned


@pytest.fixture(scope="session")
def murmur() -> Array:
    """3 s of something that changes, float32 at 16 kHz."""
    rng = np.random.default_rng(5)
    time_s = np.arange(48_000) / 16_000
    tone = np.sin(2 * np.pi * (200 + 300 * np.sin(5 * time_s)) * time_s)
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 1.3 * time_s)
    return (0.2 * tone * swell + 0.01 * rng.standard_normal(48_000)).astype(np.float32)


@pytest.fixture(scope="session")
def detector(murmur: Array) -> KeywordDetector:
    """A random network of the shipped shape; its scores over the murmur lie round 0.5."""
    rng = np.random.default_rng(3)
    pieces = Pieces(
        trunk=build_trunk(rng),
        phones=Conv1d.create(rng, CHANNELS, 40, kernel=1),
        heads=tuple(build_head(rng, CHANNELS, HeadSettings(channels=8)) for _ in range(2)),
        spellings=((37, 11, 21, 20, 3, 22),),
    )
    net = assemble(pieces)
    raw = Sequential(net.layers[:-1]).forward(LogMel().frames(murmur)[None])
    scale = 1 / float(raw.std())
    calibrated = Calibrated.of(net, 1).mapped(0, scale, -scale * float(raw.mean()))
    return untuned(calibrated.net, "welcome", LogMel())
