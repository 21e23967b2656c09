"""Microphones as chunks of a live stream, by sounddevice (the extra `sweepnet[mic]`).

from sweepnet.microphone import Microphone

with Microphone() as chunks, Client() as client, client.listen(chunks) as listening:
    for update in listening:
        print(update.events)
"""

from __future__ import annotations

import importlib
import queue
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from sweepnet.errors import FailedPrecondition, InvalidInput, MissingPackage
from sweepnet.inputs import Gap

CHUNK_S = 0.08
KEPT_S = 120.0
"""Audio that waits while the server is away; what is older is lost, and told as a gap."""
SAMPLE_BYTES = 2


@dataclass(frozen=True)
class Device:
    """A microphone as the system names it."""

    number: int
    name: str
    channel_count: int
    rate_hz: int


def devices() -> list[Device]:
    """Microphones of this machine; MissingPackage where sounddevice or PortAudio is missing."""
    return [
        Device(
            number,
            str(each["name"]),
            int(each["max_input_channels"]),
            int(each["default_samplerate"]),
        )
        for number, each in enumerate(_sounddevice().query_devices())
        if each["max_input_channels"] > 0
    ]


class Microphone:
    """Chunks of 16-bit samples, channels interleaved, as they are recorded; for one reader.

    Recording begins with the `with` statement and ends with it, or with `stop`. What is not read
    for two minutes is lost, and a `Gap` of its length comes in its place.
    """

    def __init__(
        self, device: int | str | None = None, *, rate_hz: int = 16_000, channel_count: int = 1
    ) -> None:
        self.rate_hz, self.channel_count = rate_hz, channel_count
        self._device = device
        self._chunks: queue.Queue[tuple[int, bytes | None]] = queue.Queue(round(KEPT_S / CHUNK_S))
        self._frames = 0
        self._stream: Any = None

    def stop(self) -> None:
        """End it; the chunks end once those that wait have been read."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self._keep(None)

    def __enter__(self) -> Microphone:
        library = _sounddevice()
        try:
            self._stream = library.RawInputStream(
                samplerate=self.rate_hz,
                channels=self.channel_count,
                dtype="int16",
                device=self._device,
                blocksize=round(CHUNK_S * self.rate_hz),
                callback=self._recorded,
            )
            self._stream.start()
        except (library.PortAudioError, ValueError) as error:
            raise _unusable(self._device, error) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __iter__(self) -> Iterator[bytes | Gap]:
        expected = 0
        while True:
            start, chunk = self._chunks.get()
            if start > expected:
                yield Gap(start - expected)
            if chunk is None:
                return
            yield chunk
            expected = start + len(chunk) // (SAMPLE_BYTES * self.channel_count)

    def _recorded(self, data: Any, frame_count: int, time: Any, status: Any) -> None:
        """Called by PortAudio's own thread, which must not wait."""
        self._keep(bytes(data))
        self._frames += frame_count

    def _keep(self, chunk: bytes | None) -> None:
        """Puts a chunk, or the end, behind the others, with the number of its first frame; where
        there is no room, the oldest goes."""
        while True:
            try:
                return self._chunks.put_nowait((self._frames, chunk))
            except queue.Full:
                with suppress(queue.Empty):
                    self._chunks.get_nowait()


def _sounddevice() -> Any:
    try:
        return importlib.import_module("sounddevice")
    except ImportError:
        raise MissingPackage(
            "microphones need sounddevice; install it with pip install 'sweepnet[mic]'"
        ) from None
    except OSError as error:  # its own words where PortAudio is missing
        raise MissingPackage(
            f"microphones need PortAudio ({error}); on Debian: apt install libportaudio2"
        ) from None


def _unusable(device: int | str | None, error: Exception) -> Exception:
    named = "the default microphone" if device is None else f"microphone {device!r}"
    kind = InvalidInput if isinstance(error, ValueError) else FailedPrecondition
    return kind(f"{named} cannot be used: {error}; `sweepnet listen --list-devices` lists them")
