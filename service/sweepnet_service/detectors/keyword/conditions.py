"""Test conditions that every measured engine shares: clips (n,) at 16 kHz -> the same in noise.

Which piece of noise a clip gets follows from the seed and the clip's identity alone, so that
engines, folds and reruns hear the same samples whatever else they hear and in whatever order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.augment import loud_power
from sweepnet_service.detectors.keyword.dataset import (
    RATE_HZ,
    Recording,
    Spoken,
    read_noise,
    read_samples,
)
from sweepnet_service.errors import InvalidInput

SHORTEST_NOISE_S = 1.0
DRAWS = 20
CLEAN = "clean"


def in_noise(
    spoken: Iterable[Spoken],
    noise: Sequence[Array],
    snr_db: float,
    seed: int,
    power: Callable[[Array], float] = loud_power,
) -> Iterator[Spoken]:
    """Each clip with a piece of `noise` at `snr_db`: the clip's power over the piece's mean power.

    A clip's power is that of its louder blocks (`loud_power`), or, milder by what its pauses take
    off, of all of it (`mean_power`). Both are turned down where the sum would clip. Raises
    InvalidInput where no noise is given.
    """
    if not noise:
        raise InvalidInput("noise", "got none; expected at least one recording of noise")
    for recording, samples in spoken:
        rng = np.random.default_rng((seed, crc32(identity(recording).encode())))
        yield recording, mixed(samples, piece(noise, len(samples), rng), snr_db, power)


def in_condition(
    spoken: Iterable[Spoken], name: str, noise: Sequence[Array], seed: int
) -> Iterator[Spoken]:
    """The clips in the condition of this name: "clean", or as POWERS says, "10 dB"."""
    if name == CLEAN:
        return iter(spoken)
    ratio, unit = name.split(" ", 1)
    return in_noise(spoken, noise, float(ratio), seed, POWERS[unit])


def test_noise(data: Path) -> list[Array]:
    """The test recordings of `data`/noise that last a second or more, float32 (n,) at 16 kHz."""
    rows = [row for row in read_noise(data) if row.split == "test"]
    shortest = round(SHORTEST_NOISE_S * RATE_HZ)
    return [samples for _, samples in read_samples(rows) if len(samples) >= shortest]


def identity(recording: Recording) -> str:
    """What names a recording on every machine: its source, else its file, place and text."""
    place = f"{recording.path.name}:{recording.start_s:.4f}:{recording.speaker}:{recording.text}"
    return recording.source or place


def piece(noise: Sequence[Array], length: int, rng: np.random.Generator) -> Array:
    """(length,) of one recording from a random place, going round its end; silence is drawn anew.

    Raises InvalidInput where all noise is silent.
    """
    for _ in range(DRAWS):
        whole = noise[int(rng.integers(len(noise)))]
        drawn: Array = np.resize(np.roll(whole, -int(rng.integers(len(whole)))), length)
        if np.any(drawn):
            return drawn
    raise InvalidInput("noise", f"was silent in {DRAWS} draws of {length} samples; expected sound")


def mean_power(samples: Array) -> float:
    """Mean power of all of a clip, pauses included."""
    return float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0


def mixed(
    samples: Array, noise: Array, snr_db: float, power: Callable[[Array], float] = loud_power
) -> Array:
    """The sum (n,) at a signal-to-noise ratio, within -1..1; silence comes back as it is."""
    signal = power(samples)
    if signal <= 0:
        return samples
    ratio = signal / mean_power(noise) / 10 ** (snr_db / 10)
    both = samples + noise * np.sqrt(ratio)
    return np.asarray(both / max(1.0, float(np.max(np.abs(both)))), np.float32)


POWERS: Mapping[str, Callable[[Array], float]] = {"dB": mean_power, "dB speech": loud_power}
"""What noise is measured against, by how a condition is called: "10 dB" is 10 dB below the power of
the whole clip, "10 dB speech", which is louder noise, below that of its louder blocks.
"""
