"""What can happen to speech, done on its log-mel frames: (N, T, bands) to a network's, afresh.

Noise is added as band energies (the cross term is dropped), which costs a hundredth of adding it
to samples; voices are changed by a warp of the mel axis (Jaitly and Hinton, 2013); patches are
blanked as in SpecAugment (Park et al., 2019).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.features import LogMel, expand
from sweepnet_service.detectors.keyword.frontend import FrontEnd


@dataclass(frozen=True)
class Spectral:
    """How often and how strongly; speech is expected at -20 dB full scale.

    `features` are what noise and speech come as, `front` is what the network is fed by; by default
    the same.
    """

    noise: Array
    features: LogMel = field(default_factory=LogMel)
    front: FrontEnd | None = None
    warp: tuple[float, float] = (0.86, 1.14)
    warp_share: float = 0.7
    noise_share: float = 0.6
    signal_to_noise_db: tuple[float, float] = (3.0, 25.0)
    band_share: float = 0.35
    gain_db: tuple[float, float] = (-22.0, 6.0)
    ripple_db: float = 4.0
    patches: bool = True

    @property
    def feeds(self) -> FrontEnd:
        """What the network is fed by."""
        return self.front or self.features

    def __call__(self, values: Array, rng: np.random.Generator) -> Array:
        """What the network is fed of a batch of log-mel frames, changed; float32."""
        count = len(values)
        energy = expand(self.warped(values, rng))
        energy *= self.equaliser(count, rng)[:, None, :]
        energy += self.background(energy, rng)
        energy *= self.band(count, rng)[:, None, :]
        energy *= decibel(rng.uniform(*self.gain_db, count))[:, None, None]
        energy += self.hiss(energy.shape, rng)
        changed = self.feeds.compress(energy)
        return blank_patches(changed, rng) if self.patches else changed

    def warped(self, values: Array, rng: np.random.Generator) -> Array:
        factors = np.where(
            rng.random(len(values)) < self.warp_share, rng.uniform(*self.warp, len(values)), 1.0
        )
        return values @ np.stack([warp_matrix(factor, values.shape[2]) for factor in factors])

    def equaliser(self, count: int, rng: np.random.Generator) -> Array:
        """A tilt and two ripples over the bands as energy factors, (N, bands)."""
        place = np.linspace(-1, 1, self.features.bands)
        tilt = rng.normal(0, self.ripple_db, (count, 1)) * place
        for waves in (1, 2):
            phase = rng.uniform(0, 2 * np.pi, (count, 1))
            tilt += rng.normal(0, self.ripple_db / 2, (count, 1)) * np.sin(
                np.pi * waves * place + phase
            )
        return decibel(tilt)

    def background(self, energy: Array, rng: np.random.Generator) -> Array:
        """Noise at the drawn distance below each row's louder frames, (N, T, bands)."""
        count, frames, _ = energy.shape
        # Of noise that is shorter than the rows all is heard, again and again.
        noise = self.noise
        if len(noise) <= frames:
            noise = np.resize(noise, (frames + len(noise), noise.shape[1]))
        starts = rng.integers(0, len(noise) - frames, count)
        added = expand(np.stack([noise[start : start + frames] for start in starts]))
        loudness = np.sum(energy, axis=2)
        loud = np.quantile(loudness, 0.8, axis=1) / np.maximum(
            np.quantile(np.sum(added, axis=2), 0.8, axis=1), 1e-9
        )
        drawn = decibel(-rng.uniform(*self.signal_to_noise_db, count))
        share = np.where(rng.random(count) < self.noise_share, np.minimum(loud * drawn, 1e4), 0)
        return np.asarray(added * share[:, None, None].astype(np.float32))

    def band(self, count: int, rng: np.random.Generator) -> Array:
        """Band limits as energy factors, (N, bands): half of them a telephone's."""
        centres = np.linspace(0, 1, self.features.bands)
        limited = rng.random(count) < self.band_share
        narrow = limited & (rng.random(count) < 0.5)
        low = np.where(narrow, rng.uniform(0.03, 0.14, count), -1)
        high = np.where(narrow, rng.uniform(0.65, 0.72, count), rng.uniform(0.62, 0.95, count))
        high = np.where(limited, high, 2)
        slope = rng.uniform(600, 2500, (count, 1))
        below = np.minimum(0, (centres - low[:, None]) * slope)
        above = np.minimum(0, (high[:, None] - centres) * slope)
        return decibel(np.maximum(below + above, -70))

    def hiss(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        """The recorder's own white noise at -95 to -60 dB full scale, absent in half."""
        level = decibel(rng.uniform(-95, -60, shape[0])) * (rng.random(shape[0]) < 0.5)
        power = np.sum(self.features.window**2) * np.sum(self.features.filters, axis=0)
        grain = rng.uniform(0.3, 1.7, (1, *shape[1:])).astype(np.float32)
        return np.asarray(level[:, None, None] * power.astype(np.float32) * grain)


def warp_matrix(factor: float, bands: int) -> Array:
    """Linear interpolation at factor * band, (bands, bands), to multiply from the right."""
    place = np.clip(np.arange(bands) * factor, 0, bands - 1)
    low = np.minimum(place.astype(int), bands - 2)
    share = place - low
    matrix = np.zeros((bands, bands), np.float32)
    matrix[low, np.arange(bands)] = 1 - share
    matrix[low + 1, np.arange(bands)] += share
    return matrix


def blank_patches(values: Array, rng: np.random.Generator) -> Array:
    """Two patches of up to 7 bands, one of up to 15 frames for each 250, set to a row's mean."""
    count, frames, bands = values.shape
    hidden = np.zeros((count, frames, bands), bool)
    for _ in range(2):
        hidden |= patches(count, bands, 8, rng)[:, None, :]
    for _ in range(max(1, frames // 250)):
        hidden |= patches(count, frames, 16, rng)[:, :, None]
    filling = np.mean(values, axis=(1, 2), keepdims=True)
    return np.where(hidden, filling, values)


def patches(count: int, length: int, widest: int, rng: np.random.Generator) -> Array:
    """True over one random run per row of 0 to widest - 1 places, (count, length)."""
    start = rng.integers(0, length, (count, 1))
    place = np.arange(length)
    return np.asarray((place >= start) & (place < start + rng.integers(0, widest, (count, 1))))


def decibel(values: Array | float) -> Array:
    """Decibels to a factor of energy, float32."""
    return np.asarray(10 ** (np.asarray(values) / 10), np.float32)
