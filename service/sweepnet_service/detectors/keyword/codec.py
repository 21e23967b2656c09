"""Speech through a lossy codec and back (Opus, Vorbis, MP3): samples -> samples, as many."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile

from cnn_core.arrays import Array

RATE_HZ = 16_000
SHORTEST = 1_600
PEAK = 0.9


@dataclass(frozen=True)
class Codec:
    """A format of soundfile, and the range of its compression level (0 to 1: smallest)."""

    format: str
    subtype: str
    level: tuple[float, float]


CODECS = (
    Codec("OGG", "OPUS", (0.85, 0.99)),
    Codec("OGG", "VORBIS", (0.5, 1.0)),
    Codec("MP3", "MPEG_LAYER_III", (0.5, 0.95)),
)
"""About 40 to 8 kbit/s, 45 to 28 and 36 to 23."""


def coded(samples: Array, rng: np.random.Generator) -> Array:
    """Through one of the codecs, at a compression drawn from its range; short sounds stay."""
    codec = CODECS[int(rng.integers(len(CODECS)))]
    level = float(rng.uniform(*codec.level))
    if len(samples) < SHORTEST:
        return samples
    return through(samples, codec, level)


def through(samples: Array, codec: Codec, level: float) -> Array:
    """Encoded in memory and decoded again, in place and at the same loudness."""
    scale = PEAK / max(float(np.max(np.abs(samples))), 1e-9)
    file = io.BytesIO()
    soundfile.write(
        file,
        samples * scale,
        RATE_HZ,
        format=codec.format,
        subtype=codec.subtype,
        compression_level=level,
    )
    file.seek(0)
    decoded = np.asarray(soundfile.read(file, dtype="float32")[0])[: len(samples)]
    padded: Array = np.pad(decoded, (0, len(samples) - len(decoded)))
    return padded / np.float32(scale)
