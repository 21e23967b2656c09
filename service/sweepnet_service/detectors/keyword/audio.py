"""Audio files as blocks of samples: any format that libsndfile reads, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import soundfile

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.containers import (
    bits_of_pcm,
    counts_its_frames,
    missing_bytes,
)
from sweepnet_service.errors import InvalidInput, LimitExceeded, NotFound, SweepnetError
from sweepnet_service.pcm import first_wrong

READABLE = "WAV, FLAC, OGG (Vorbis or Opus), MP3 or AIFF"
DAMAGED = (soundfile.LibsndfileError, RuntimeError)
FINE = 512
"""Samples at once where a file is read up to its damage."""
COPY_AGAIN = "copy it again, or save what there is as a new file"
FEWEST_BITS = 8


@dataclass(frozen=True)
class AudioLimits:
    """What a caller may send."""

    longest_s: float = 12 * 3600.0
    largest_bytes: int = 4 << 30
    channels: int = 64


class AudioReader:
    """An open audio file; close it, or use it in a with statement."""

    def __init__(self, file: Any, where: str, limits: AudioLimits) -> None:
        self._file, self.where, self._limits = file, where, limits
        self.rate_hz: int = file.samplerate
        self.channels: int = file.channels
        self.frames: int | None = file.frames if 0 < file.frames < 1 << 62 else None
        """Samples of each channel; None where no header tells them."""

    def blocks(self, frames: int = 65_536) -> Iterator[Array]:
        """The samples in order, float32 (n, channels) in -1..1, 0 < n <= frames.

        Raises InvalidInput for damaged or missing samples, LimitExceeded beyond the length allowed.
        """
        read, longest = 0, self._limits.longest_s * self.rate_hz
        while len(block := self._read(frames, read)):
            if (at := first_wrong(block)) is not None:
                raise InvalidInput(
                    self.where,
                    f"holds a sample that is no number in -1..1 ({block[at].tolist()}, at "
                    f"{(read + at) / self.rate_hz:.3f} s); write it anew",
                )
            read += len(block)
            if read > longest:
                raise too_long(self.where, read / self.rate_hz, self._limits)
            yield block
        if read == 0:
            raise InvalidInput(self.where, "holds no samples; expected at least one")
        if self.frames is not None and read < self.frames:
            raise self._short(read)

    def _read(self, frames: int, read: int) -> Array:
        """The next samples, of which `read` came before; none at the end."""
        try:
            return np.asarray(self._file.read(frames, dtype="float32", always_2d=True))
        except DAMAGED as error:
            raise self._short(self._readable(read)) from error

    def _readable(self, read: int) -> int:
        """How many samples there are: of a damaged block, after the `read` before it, a part is."""
        with suppress(*DAMAGED):
            self._file.seek(read)
            while count := len(self._file.read(FINE, always_2d=True)):
                read += count
        return read

    def _short(self, read: int) -> InvalidInput:
        whole = f" of {self.frames / self.rate_hz:.3f}" if self.frames else ""
        return InvalidInput(
            self.where,
            f"is damaged or cut short: {read / self.rate_hz:.3f}{whole} s can be read; "
            f"{COPY_AGAIN}",
        )

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_audio(source: Path | BinaryIO, limits: AudioLimits = AudioLimits()) -> AudioReader:
    """A reader of the file or open binary stream `source`.

    Raises NotFound for a missing file, InvalidInput for a folder, an empty file, something that is
    no audio or less of it than its header promises, LimitExceeded beyond `limits`.
    """
    where = str(source) if isinstance(source, Path) else "audio"
    check_size(source, where, limits)
    try:
        file = soundfile.SoundFile(str(source) if isinstance(source, Path) else source)
    except (soundfile.LibsndfileError, TypeError, RuntimeError, OSError) as error:
        raise InvalidInput(
            where, f"is not audio that can be read ({reason(error)}); expected {READABLE}"
        ) from error
    reader = AudioReader(file, where, limits)
    try:
        check_headers(source, reader, file.format)
        check_extent(reader, limits)
    except SweepnetError:
        file.close()
        raise
    return reader


def check_headers(source: Path | BinaryIO, reader: AudioReader, container: str) -> None:
    """Raises InvalidInput for what the headers tell of and a decoder would pass over."""
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as headers:
        missing, bits = missing_bytes(headers), bits_of_pcm(headers)
        if container == "MP3" and not counts_its_frames(headers):
            reader.frames = None
    if bits is not None and bits < FEWEST_BITS:
        raise InvalidInput(
            reader.where, f"has samples of {bits} bits; expected 8, 16, 24 or 32; convert it"
        )
    if missing:
        there_s = (reader.frames or 0) / reader.rate_hz
        raise InvalidInput(
            reader.where,
            f"is cut short: {there_s:.3f} s are there, {missing} bytes or more are missing; "
            f"{COPY_AGAIN}",
        )


def check_extent(reader: AudioReader, limits: AudioLimits) -> None:
    """Raises LimitExceeded for more channels or a longer recording than is read."""
    if reader.channels > limits.channels:
        raise LimitExceeded(
            reader.where, f"has {reader.channels} channels; at most {limits.channels} are read"
        )
    if reader.frames and reader.frames > limits.longest_s * reader.rate_hz:
        raise too_long(reader.where, reader.frames / reader.rate_hz, limits)


def check_size(source: Path | BinaryIO, where: str, limits: AudioLimits) -> None:
    """Raises as `open_audio` says for what can be seen from outside."""
    if isinstance(source, Path):
        if source.is_dir():
            raise InvalidInput(where, "is a folder; expected an audio file")
        if not source.exists():
            raise NotFound(where, "there is no such file")
        size = source.stat().st_size
    else:
        here = source.tell()
        size = source.seek(0, 2) - here
        source.seek(here)
    if size == 0:
        raise InvalidInput(where, f"is empty (0 bytes); expected {READABLE}")
    if size > limits.largest_bytes:
        raise LimitExceeded(
            where, f"has {size} bytes; at most {limits.largest_bytes} are read; cut it into parts"
        )


def too_long(where: str, length_s: float, limits: AudioLimits) -> LimitExceeded:
    return LimitExceeded(
        where,
        f"lasts {length_s:.0f} s or more; at most {limits.longest_s:.0f} s are read; "
        "cut it into parts",
    )


def reason(error: Exception) -> str:
    """What libsndfile said, without its prefix."""
    if isinstance(error, TypeError):
        return "raw samples do not say their rate and format"
    text = str(error).split(": ", 1)[-1].rstrip(".")
    return "too little of it" if text.startswith("File does not exist") else text
