"""Log-mel features: samples (n,) at 16 kHz -> frames (T, bands), the same whole or streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cnn_core.arrays import Array
from cnn_core.geometry import Window
from sweepnet_service.detectors.keyword.mel import EnergyStream, MelBands, energies
from sweepnet_service.errors import ModelUnreadable

VERSION = 1
FLOOR = 1e-5
SCALE = 4.0
OFFSET = 0.3


@dataclass(frozen=True)
class LogMel(MelBands):
    """log(E + 1e-5) / 4 + 0.3 of the mel band energies E: speech lies within about -2..2."""

    @property
    def formula(self) -> str:
        """From a band's energy to its value, in words."""
        return "ln(energy + 1e-5) / 4 + 0.3."

    @property
    def silence(self) -> float:
        """The value of every band in digital silence."""
        return float(compress(np.zeros(1))[0])

    @property
    def log_mel(self) -> LogMel:
        """Itself."""
        return self

    def frames(self, samples: Array) -> Array:
        """All frames of `samples` (n,): float32 (count(n), bands)."""
        return compress(self.energy(samples))

    def compress(self, energy: Array) -> Array:
        """Band energies (..., T, bands) to frames of the same shape."""
        return compress(energy)

    def from_log_mel(self, values: Array) -> Array:
        """The values themselves."""
        return values

    def stream(self, window: Window | None = None) -> EnergyStream:
        """A stream at its beginning; frames that complete no window of `window` wait."""
        return EnergyStream(self, window)

    def push(
        self, streams: Sequence[EnergyStream], samples: Sequence[Array], last: Sequence[bool]
    ) -> tuple[Array, list[int]]:
        """The frames that each stream's next samples complete, one stream behind the other."""
        energy, counts = energies(streams, samples, last)
        return compress(energy), counts

    def describe(self) -> dict[str, Any]:
        """The settings as a model file keeps them."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> LogMel:
        """The settings that `describe` wrote. Raises ModelUnreadable for a newer version."""
        return cls(**of_version(description, VERSION))


def of_version(description: Mapping[str, Any], known: int) -> dict[str, Any]:
    """The settings without their version. Raises ModelUnreadable where it is another."""
    settings = dict(description)
    version = settings.pop("version", None)
    if version != known:
        raise ModelUnreadable(
            "features.version",
            f"the model needs feature settings of version {version}, this program knows "
            f"{known}; update sweepnet or train the model again",
        )
    return settings


def compress(energy: Array) -> Array:
    """Band energies to log-mel values, float32."""
    return np.asarray(np.log(energy + np.float32(FLOOR)) / SCALE + OFFSET, np.float32)


def expand(values: Array) -> Array:
    """The inverse of `compress`: log-mel values to band energies >= 0."""
    return np.asarray(np.maximum(np.exp((values - OFFSET) * SCALE) - np.float32(FLOOR), 0))
