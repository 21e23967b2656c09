"""Front ends: what a network is fed by. Samples (n,) -> frames (T, bands), whole or streamed.

    FrontEnd
    ├── LogMel      log of the band energies (features.py)
    └── Pcen        band energies by their own slow mean (pcen.py)

A model file names its front end and its settings, so that training and serving cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cnn_core.arrays import Array
from cnn_core.geometry import Window
from sweepnet_service.detectors.keyword.features import LogMel
from sweepnet_service.detectors.keyword.mel import EnergyStream
from sweepnet_service.detectors.keyword.pcen import Pcen
from sweepnet_service.errors import InvalidInput, ModelUnreadable, shown

FRONT_ENDS: Mapping[str, type[LogMel] | type[Pcen]] = {"log-mel": LogMel, "pcen": Pcen}


class FrontEnd(Protocol):
    """However samples come, streams are given what `frames` gives of the whole."""

    @property
    def rate_hz(self) -> int: ...
    @property
    def width_samples(self) -> int: ...
    @property
    def hop_samples(self) -> int: ...
    @property
    def hop_s(self) -> float: ...
    @property
    def bands(self) -> int: ...
    @property
    def edges_hz(self) -> Array:
        """(bands + 2,): band b begins at b, has its peak at b + 1 and ends at b + 2."""

    @property
    def formula(self) -> str:
        """From a band's energy to its value, in words."""

    @property
    def silence(self) -> float:
        """The value of every band in digital silence."""

    @property
    def log_mel(self) -> LogMel:
        """Log-mel frames of the same bands: the form in which material to train from is kept."""

    def count(self, samples: int) -> int:
        """The number of whole frames in so many samples."""

    def frames(self, samples: Array) -> Array:
        """All frames of `samples` (n,): float32 (count(n), bands)."""

    def compress(self, energy: Array) -> Array:
        """Band energies of whole signals (..., T, bands) to their frames, of the same shape."""

    def from_log_mel(self, values: Array) -> Array:
        """The frames of whole signals that are kept as log-mel (..., T, bands)."""

    def stream(self, window: Window | None = None) -> EnergyStream:
        """A stream at its beginning; frames that complete no window of `window` wait."""

    def push(
        self, streams: Sequence[Any], samples: Sequence[Array], last: Sequence[bool]
    ) -> tuple[Array, list[int]]:
        """The frames that each stream's next samples (n,) complete, one stream behind the other:
        float32 (t, bands), by one transform; and how many are each one's. `last`: the signal ends.
        """

    def describe(self) -> dict[str, Any]:
        """The settings and their version, as a model file keeps them."""


def front_end(description: Mapping[str, Any]) -> FrontEnd:
    """What `describe` described; log-mel where no kind is named, as in older files.

    Raises ModelUnreadable for a kind or version that is not known, and for settings that cannot be.
    """
    settings = dict(description)
    kind = settings.pop("kind", "log-mel")
    if kind not in FRONT_ENDS:
        raise ModelUnreadable(
            "features.kind",
            f"the model needs features {shown(kind)}, this program knows {', '.join(FRONT_ENDS)}; "
            "update sweepnet or train the model again",
        )
    try:
        return FRONT_ENDS[kind].from_description(settings)
    except (InvalidInput, TypeError) as error:
        raise ModelUnreadable("features", f"cannot be ({error}); train the model again") from error
