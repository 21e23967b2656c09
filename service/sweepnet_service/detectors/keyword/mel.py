"""Mel band energies: samples (n,) -> (T, bands), the first half of every front end.

Frame i covers samples [i * hop, i * hop + width) and is never normalised by what surrounds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.fft import rfft

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput


@dataclass(frozen=True)
class MelBands:
    """Hann window, power spectrum, triangular mel bands."""

    rate_hz: int = 16_000
    width_samples: int = 400
    hop_samples: int = 160
    fft_samples: int = 512
    bands: int = 40
    low_hz: float = 60.0
    high_hz: float = 7600.0

    def __post_init__(self) -> None:
        for name in ("rate_hz", "width_samples", "hop_samples", "fft_samples", "bands"):
            value = getattr(self, name)
            require(
                name, value, type(value) is int and 0 < value < 1 << 20, "a whole number above 0"
            )
        require("width_samples", self.width_samples, self.width_samples <= self.fft_samples,
                f"at most {self.fft_samples}, the length of the transform")  # fmt: skip
        require("low_hz", self.low_hz, 0 <= self.low_hz < self.high_hz, f"0 to {self.high_hz}")
        require("high_hz", self.high_hz, self.high_hz <= self.rate_hz / 2, "half the rate at most")

    @property
    def hop_s(self) -> float:
        return self.hop_samples / self.rate_hz

    @cached_property
    def window(self) -> Array:
        """The periodic Hann window, (width,)."""
        phase = np.arange(self.width_samples) / self.width_samples
        return (0.5 - 0.5 * np.cos(2 * np.pi * phase)).astype(np.float32)

    @cached_property
    def edges_hz(self) -> Array:
        """Where triangles begin, have their peak and end, (bands + 2,): triangle b at b..b + 2."""
        return from_mel(np.linspace(mel(self.low_hz), mel(self.high_hz), self.bands + 2))

    @cached_property
    def filters(self) -> Array:
        """Weights of the mel triangles, (fft // 2 + 1, bands), each of height 1."""
        bins_hz = np.arange(self.fft_samples // 2 + 1) * (self.rate_hz / self.fft_samples)
        low, centre, high = self.edges_hz[:-2], self.edges_hz[1:-1], self.edges_hz[2:]
        rising = (bins_hz[:, None] - low) / (centre - low)
        falling = (high - bins_hz[:, None]) / (high - centre)
        return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)

    def count(self, samples: int) -> int:
        """The number of whole frames in so many samples."""
        return max(0, (samples - self.width_samples) // self.hop_samples + 1)

    def energy(self, samples: Array) -> Array:
        """The bands' energies in all frames of `samples` (n,): float32 (count(n), bands)."""
        if self.count(len(samples)) == 0:
            return np.empty((0, self.bands), np.float32)
        views = np.lib.stride_tricks.sliding_window_view(samples, self.width_samples)
        spectrum = rfft(views[:: self.hop_samples] * self.window, self.fft_samples)
        power = spectrum.real**2 + spectrum.imag**2
        return np.asarray(power @ self.filters, np.float32)


class EnergyStream:
    """The band energies of a signal that comes in chunks of any size."""

    def __init__(self, bands: MelBands) -> None:
        self._bands = bands
        self._tail = np.empty(0, np.float32)

    def push(self, samples: Array) -> Array:
        """The frames that `samples` (n,) complete: float32 (t, bands)."""
        signal = np.concatenate([self._tail, np.asarray(samples, np.float32)])
        frames = self._bands.energy(signal)
        self._tail = signal[len(frames) * self._bands.hop_samples :].copy()
        return frames


def require(name: str, value: float, holds: bool, expected: str) -> None:
    """Raises InvalidInput unless it holds."""
    if not holds:
        raise InvalidInput(f"features.{name}", f"got {value}; expected {expected}")


def mel(frequency_hz: float) -> float:
    """Hertz to mel (O'Shaughnessy 1987)."""
    return float(2595 * np.log10(1 + frequency_hz / 700))


def from_mel(mels: Array) -> Array:
    """Mel to hertz."""
    return np.asarray(700 * (10 ** (np.asarray(mels) / 2595) - 1))
