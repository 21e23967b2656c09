"""Mel band energies: samples (n,) -> (T, bands), the first half of every front end.

Frame i covers samples [i * hop, i * hop + width) and is never normalised by what surrounds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from scipy.fft import rfft

from cnn_core.arrays import Array, Integers
from cnn_core.geometry import Window
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
        return self.energy_at(samples, self.hop_samples * np.arange(self.count(len(samples))))

    def energy_at(self, samples: Array, starts: Integers) -> Array:
        """The same in the frames that begin at `starts` (t,): float32 (t, bands)."""
        if not len(starts):
            return np.empty((0, self.bands), np.float32)
        views = np.lib.stride_tricks.sliding_window_view(samples, self.width_samples)
        padded = np.zeros((len(starts), self.fft_samples), np.float32)
        np.multiply(views[starts], self.window, out=padded[:, : self.width_samples])
        spectrum = rfft(padded)
        power = spectrum.real**2 + spectrum.imag**2
        return np.asarray(power @ self.filters, np.float32)


class EnergyStream:
    """Where a signal that comes in chunks of any size stands: the samples that frames still need.

    Frames that complete no window of `window` wait for those that do, so that a network's streams
    all stand alike: with the place of its next window at the end of what it has had.
    """

    def __init__(self, bands: MelBands, window: Window | None = None) -> None:
        self.bands = bands
        window = window or Window()
        self._first, self._step = int(window.start + window.size), max(1, int(window.step))
        self.waiting = np.empty(0, np.float32)
        self._given = 0

    def take(self, signal: Array, last: bool = False) -> int:
        """How many frames are due of `signal` (n,), which begins with the samples that waited.

        What they leave is kept; all of them are due at the end.
        """
        count = self.bands.count(len(signal))
        spare = 0 if last else (self._given + count - self._first) % self._step
        count = max(0, count - spare)
        self._given += count
        self.waiting = signal[count * self.bands.hop_samples :].copy()
        return count


def energies(
    streams: Sequence[EnergyStream], samples: Sequence[Array], last: Sequence[bool]
) -> tuple[Array, list[int]]:
    """The frames that come due of several signals, one signal behind the other: float32
    (t, bands), all by one transform; and how many are each one's. `streams`: of one `MelBands`.
    """
    bands = streams[0].bands
    waited = [stream.waiting for stream in streams]
    signal = np.concatenate([part for pair in zip(waited, samples, strict=True) for part in pair])
    ends = list(accumulate(len(old) + len(new) for old, new in zip(waited, samples, strict=True)))
    begins = [0, *ends[:-1]]
    counts = [
        stream.take(signal[begin:end], final)
        for stream, begin, end, final in zip(streams, begins, ends, last, strict=True)
    ]
    before = np.cumsum([0, *counts[:-1]])
    hops = np.arange(sum(counts)) - np.repeat(before, counts)
    return bands.energy_at(signal, np.repeat(begins, counts) + bands.hop_samples * hops), counts


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
