"""Per-channel energy normalisation: each band by its own slow mean, then a root (Wang et al. 2017).

    M[t] = (1 - s) M[t-1] + s E[t],  M[-1] = E[0]
    frame[t] = (E[t] / (floor + M[t])^alpha + delta)^r - delta^r

"Trainable frontend for robust and far-field keyword spotting", ICASSP 2017. A steady level or
noise is divided out, an onset stands out. The mean looks back only: a stream keeps M, one number a
band, and gives the frames of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from cnn_core.arrays import Array
from cnn_core.geometry import Window
from sweepnet_service.detectors.keyword.features import LogMel, expand, of_version
from sweepnet_service.detectors.keyword.mel import EnergyStream, MelBands, energies, require

VERSION = 1


@dataclass(frozen=True)
class Pcen(MelBands):
    """The paper's settings; s = 0.025 at a hop of 10 ms is a mean over about 0.4 s."""

    smoothing: float = 0.025
    alpha: float = 0.98
    delta: float = 2.0
    root: float = 0.5
    floor: float = 1e-6

    def __post_init__(self) -> None:
        # scipy.signal takes a second: no command waits for it unless a model has these features,
        # and then no stream.
        import scipy.signal  # noqa: F401

        super().__post_init__()
        for name in ("smoothing", "alpha", "root"):
            require(name, value := getattr(self, name), 0 < value <= 1, "above 0, at most 1")
        for name in ("delta", "floor"):
            require(name, value := getattr(self, name), 0 < value < 1e6, "above 0, below 1e6")

    @property
    def formula(self) -> str:
        """From a band's energy to its value, in words."""
        return (
            "mean = (1 - smoothing) * mean + smoothing * energy, from the first frame's energy on; "
            "(energy / (floor + mean)^alpha + delta)^root - delta^root."
        )

    @property
    def silence(self) -> float:
        """The value of every band in digital silence, whatever went before: 0."""
        return 0.0

    @property
    def log_mel(self) -> LogMel:
        """Log-mel frames of the same bands."""
        return LogMel(**{each.name: getattr(self, each.name) for each in fields(MelBands)})

    def frames(self, samples: Array) -> Array:
        """All frames of `samples` (n,): float32 (count(n), bands)."""
        return self.compress(self.energy(samples))

    def compress(self, energy: Array) -> Array:
        """Band energies of whole signals (..., T, bands) to frames of the same shape."""
        return self.normalised(energy, self.means(energy, energy[..., :1, :])[0])

    def from_log_mel(self, values: Array) -> Array:
        """The frames of whole signals that are kept as log-mel (..., T, bands)."""
        return self.compress(expand(values))

    def means(self, energy: Array, before: Array) -> tuple[Array, Array]:
        """The bands' means in each frame (..., T, bands), and the last one (..., 1, bands).

        `before` (..., 1, bands) is the mean that went before.
        """
        if energy.shape[-2] == 0:
            return energy, before
        from scipy.signal import lfilter

        s = np.float32(self.smoothing)
        decay = np.array([1, s - 1], np.float32)
        means, _ = lfilter([s], decay, energy, axis=-2, zi=(1 - s) * before)
        return np.asarray(means, np.float32), np.asarray(means[..., -1:, :], np.float32)

    def normalised(self, energy: Array, means: Array) -> Array:
        """Energies by their means, then the root; float32."""
        gain = (np.float32(self.floor) + means) ** -np.float32(self.alpha)
        delta, root = np.float32(self.delta), np.float32(self.root)
        return np.asarray((energy * gain + delta) ** root - delta**root, np.float32)

    def stream(self, window: Window | None = None) -> PcenStream:
        """A stream at its beginning; frames that complete no window of `window` wait."""
        return PcenStream(self, window)

    def push(
        self, streams: Sequence[PcenStream], samples: Sequence[Array], last: Sequence[bool]
    ) -> tuple[Array, list[int]]:
        """The frames that each stream's next samples complete, one stream behind the other."""
        energy, counts = energies(streams, samples, last)
        parts = np.split(energy, np.cumsum(counts)[:-1])
        means = [stream.means(part) for stream, part in zip(streams, parts, strict=True)]
        return self.normalised(energy, np.concatenate(means)), counts

    def describe(self) -> dict[str, Any]:
        """The settings as a model file keeps them."""
        return {"kind": "pcen", "version": VERSION, **asdict(self)}

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Pcen:
        """The settings that `describe` wrote. Raises ModelUnreadable for a newer version."""
        return cls(**{k: v for k, v in of_version(description, VERSION).items() if k != "kind"})


class PcenStream(EnergyStream):
    """Where a signal stands, and the bands' means there."""

    def __init__(self, features: Pcen, window: Window | None = None) -> None:
        super().__init__(features, window)
        self._features = features
        self._mean: Array | None = None

    def means(self, energy: Array) -> Array:
        """The bands' means in each of the next frames (t, bands)."""
        if not len(energy):
            return energy
        before = energy[:1] if self._mean is None else self._mean
        means, self._mean = self._features.means(energy, before)
        return means
