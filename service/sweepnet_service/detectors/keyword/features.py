"""Log-mel features: samples (n,) at 16 kHz -> frames (T, bands), the same whole or streamed.

Frame i covers samples [i * hop, i * hop + width) and is never normalised by what surrounds it,
so a stream gives the frames of the whole signal.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.fft import rfft

from cnn_core.arrays import Array
from sweepnet_service.errors import ModelUnreadable

VERSION = 1
FLOOR = 1e-5
SCALE = 4.0
OFFSET = 0.3


@dataclass(frozen=True)
class LogMel:
    """Hann window, power spectrum, triangular mel bands, log(E + 1e-5) / 4 + 0.3."""

    rate_hz: int = 16_000
    width_samples: int = 400
    hop_samples: int = 160
    fft_samples: int = 512
    bands: int = 40
    low_hz: float = 60.0
    high_hz: float = 7600.0

    @property
    def silence(self) -> float:
        """The value of every band in digital silence."""
        return float(compress(np.zeros(1))[0])

    @property
    def hop_s(self) -> float:
        return self.hop_samples / self.rate_hz

    @cached_property
    def window(self) -> Array:
        """The periodic Hann window, (width,)."""
        phase = np.arange(self.width_samples) / self.width_samples
        return (0.5 - 0.5 * np.cos(2 * np.pi * phase)).astype(np.float32)

    @cached_property
    def filters(self) -> Array:
        """Weights of the mel triangles, (fft // 2 + 1, bands), each of height 1."""
        edges_hz = from_mel(np.linspace(mel(self.low_hz), mel(self.high_hz), self.bands + 2))
        bins_hz = np.arange(self.fft_samples // 2 + 1) * (self.rate_hz / self.fft_samples)
        low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
        rising = (bins_hz[:, None] - low) / (centre - low)
        falling = (high - bins_hz[:, None]) / (high - centre)
        return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)

    def count(self, samples: int) -> int:
        """The number of whole frames in so many samples."""
        return max(0, (samples - self.width_samples) // self.hop_samples + 1)

    def frames(self, samples: Array) -> Array:
        """All frames of `samples` (n,): float32 (count(n), bands)."""
        if self.count(len(samples)) == 0:
            return np.empty((0, self.bands), np.float32)
        views = np.lib.stride_tricks.sliding_window_view(samples, self.width_samples)
        spectrum = rfft(views[:: self.hop_samples] * self.window, self.fft_samples)
        power = spectrum.real**2 + spectrum.imag**2
        return compress(power @ self.filters)

    def describe(self) -> dict[str, Any]:
        """The settings as a model file keeps them."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> LogMel:
        """The settings that `describe` wrote. Raises ModelUnreadable for a newer version."""
        settings = dict(description)
        version = settings.pop("version", None)
        if version != VERSION:
            raise ModelUnreadable(
                "features.version",
                f"the model needs feature settings of version {version}, this program knows "
                f"{VERSION}; update sweepnet or train the model again",
            )
        return cls(**settings)


class LogMelStream:
    """The frames of a signal that comes in chunks of any size."""

    def __init__(self, features: LogMel) -> None:
        self._features = features
        self._tail = np.empty(0, np.float32)

    def push(self, samples: Array) -> Array:
        """The frames that `samples` (n,) complete: float32 (t, bands)."""
        signal = np.concatenate([self._tail, np.asarray(samples, np.float32)])
        frames = self._features.frames(signal)
        self._tail = signal[len(frames) * self._features.hop_samples :].copy()
        return frames


def compress(energy: Array) -> Array:
    """Band energies to feature values, float32."""
    return np.asarray(np.log(energy + np.float32(FLOOR)) / SCALE + OFFSET, np.float32)


def expand(values: Array) -> Array:
    """The inverse of `compress`: feature values to band energies >= 0."""
    return np.asarray(np.maximum(np.exp((values - OFFSET) * SCALE) - np.float32(FLOOR), 0))


def mel(frequency_hz: float) -> float:
    """Hertz to mel (O'Shaughnessy 1987)."""
    return float(2595 * np.log10(1 + frequency_hz / 700))


def from_mel(mels: Array) -> Array:
    """Mel to hertz."""
    return np.asarray(700 * (10 ** (np.asarray(mels) / 2595) - 1))
