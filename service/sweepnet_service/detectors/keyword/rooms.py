"""Rooms that speech is heard in: impulse responses (n,) at 16 kHz, recorded or drawn.

A drawn one is Polack's (La transmission de l'énergie sonore dans les salles, 1988): the direct
sound, then noise that dies away exponentially, in higher bands sooner, as walls and air take them
first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, read_rooms

COUNT = 60
DIES_AWAY_S = (0.15, 0.9)
"""Time in which the sound falls by 60 dB."""
DIRECT_DB = (-3.0, 12.0)
"""How far the direct sound lies above all that follows."""
FIRST_S = (0.001, 0.015)
"""When the first reflection comes."""
CROSSING_HZ = 2_000
HIGH_SHARE = (0.4, 0.9)
"""How long higher bands last, as a share of the time of the lower ones."""


def rooms_for(data: Path | None, seed: int) -> list[Array]:
    """Those recorded for training in the shipped models' `data`; without it drawn ones."""
    if data is not None:
        return read_rooms(data)
    rng = np.random.default_rng((seed, 7))
    return [drawn_room(rng) for _ in range(COUNT)]


def drawn_room(rng: np.random.Generator) -> Array:
    """The response of a room of ordinary size, float32 (n,), of energy 1."""
    dies_away_s, first_s = rng.uniform(*DIES_AWAY_S), rng.uniform(*FIRST_S)
    time_s = np.arange(round(dies_away_s * RATE_HZ)) / RATE_HZ
    low, high = _parted(rng.standard_normal(len(time_s)))
    fall = 10 ** (-3 * time_s / dies_away_s)
    tail = low * fall + high * fall ** (1 / rng.uniform(*HIGH_SHARE))
    tail[time_s < first_s] = 0
    direct = 10 ** (rng.uniform(*DIRECT_DB) / 20)
    tail /= np.sqrt(np.sum(tail**2))
    tail[0] = direct
    return np.asarray(tail / np.sqrt(1 + direct**2), np.float32)


def _parted(noise: Array) -> tuple[Array, Array]:
    """What lies below CROSSING_HZ, and above."""
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(len(noise), 1 / RATE_HZ) >= CROSSING_HZ] = 0
    low = np.fft.irfft(spectrum, len(noise))
    return low, noise - low
