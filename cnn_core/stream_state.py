"""A stream's state as bytes: tails and counts in safetensors, and the network they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors

from cnn_core.arrays import Array
from cnn_core.description import describe
from cnn_core.errors import CoreError, StreamError
from cnn_core.layers import Layer
from cnn_core.layers.tail import named
from cnn_core.tree import leaves

FORMAT_VERSION = 2
LARGEST_BYTES = 64 * 1024 * 1024
MOST_CHANNELS = 65_536


@dataclass(frozen=True)
class Place:
    """How far a stream has come: inputs and scores, in all and since the signal began.

    `begin` is the first input after the last gap, `given` the scores since then.
    """

    read: int = 0
    written: int = 0
    begin: int = 0
    given: int = 0

    @property
    def run(self) -> int:
        """Inputs since the signal began."""
        return self.read - self.begin

    def after(self, inputs: int, scores: int) -> Place:
        # `replace` would take longer than all else that a step does for one stream.
        return Place(self.read + inputs, self.written + scores, self.begin, self.given + scores)

    def after_gap(self, inputs: int) -> Place:
        read = self.read + inputs
        return replace(self, read=read, begin=read, given=0)


@dataclass(frozen=True, eq=False)
class SavedTails:
    """The tails of one stream with what they were made for."""

    tails: Mapping[str, Array]
    channels: int
    dtype: np.dtype[Any]


def fingerprint(net: Layer) -> str:
    """A network's architecture and weights as a short name; another network has another one."""
    digest = hashlib.sha256(json.dumps(describe(net), sort_keys=True).encode())
    for _, array in leaves(net):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


def to_bytes(net: Layer, place: Place, saved: SavedTails | None) -> bytes:
    """A safetensors file: the tails, and in its header the place and the network's fingerprint."""
    header = {key: str(value) for key, value in asdict(place).items()}
    header |= {"format_version": str(FORMAT_VERSION), "network": fingerprint(net)}
    tensors: dict[str, Array] = {}
    if saved is not None:
        header |= {"channels": str(saved.channels), "dtype": saved.dtype.name}
        tensors = {f"tail.{path}": tail for path, tail in saved.tails.items()}
    return to_safetensors(tensors, header)


def from_bytes(net: Layer, content: bytes) -> tuple[Place, SavedTails | None]:
    """What `to_bytes` wrote. Raises StreamError for damaged bytes and for another network's."""
    header, tensors = _parsed(content)
    if header.get("format_version") != str(FORMAT_VERSION):
        raise StreamError(
            f"stream state: got format_version {header.get('format_version')!r}; "
            f"this sweepnet reads {FORMAT_VERSION}"
        )
    if header.get("network") != fingerprint(net):
        raise StreamError(
            f"stream state: it belongs to network {header.get('network')!r}; "
            f"got {fingerprint(net)!r}. Restore it with the network that it was saved with"
        )
    try:
        place = Place(**{key: int(header[key]) for key in asdict(Place())})
        if not (0 <= place.begin <= place.read and 0 <= place.given <= place.written):
            raise StreamError(f"stream state: got {place}, which no stream comes to")
        return place, _saved(net, header, tensors) if "channels" in header else None
    except (KeyError, ValueError, TypeError) as error:
        if isinstance(error, CoreError):
            raise
        raise StreamError(f"stream state: its header is damaged: {error!r}") from error


def _parsed(content: bytes) -> tuple[dict[str, str], dict[str, Array]]:
    if len(content) > LARGEST_BYTES:
        raise StreamError(f"stream state: {len(content)} bytes; expected at most {LARGEST_BYTES}")
    try:
        tensors = from_safetensors(content)
        length = int.from_bytes(content[:8], "little")
        return json.loads(content[8 : 8 + length]).get("__metadata__", {}), tensors
    except (SafetensorError, ValueError) as error:
        raise StreamError(f"stream state: not a readable state: {error}") from error


def _saved(net: Layer, header: dict[str, str], tensors: dict[str, Array]) -> SavedTails:
    channels, dtype = int(header["channels"]), np.dtype(header["dtype"])
    if not 0 < channels <= MOST_CHANNELS:
        raise StreamError(f"stream state: got {channels} channels; expected 1 to {MOST_CHANNELS}")
    expected = {f"tail.{path}": tail.shape for path, tail in named(net.tails(0, channels, dtype))}
    got = {name: a.shape for name, a in tensors.items()}
    if got != expected or any(a.dtype != dtype for a in tensors.values()):
        raise StreamError(f"stream state: got tails {got}; expected {expected} of {dtype.name}")
    if not all(np.isfinite(a).all() for a in tensors.values()):
        raise StreamError("stream state: it holds NaN or infinite numbers")
    tails = {name.removeprefix("tail."): a for name, a in tensors.items()}
    return SavedTails(tails, channels, dtype)
