"""Audio files as blocks of samples: any format that libsndfile reads, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import soundfile

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput, LimitExceeded, NotFound

READABLE = "WAV, FLAC, OGG (Vorbis or Opus), MP3 or AIFF"


@dataclass(frozen=True)
class AudioLimits:
    """What a caller may send."""

    longest_s: float = 12 * 3600.0
    largest_bytes: int = 4 << 30
    channels: int = 64


class AudioReader:
    """An open audio file; close it, or use it in a with statement."""

    def __init__(self, file: Any, where: str, limits: AudioLimits) -> None:
        self._file, self._where, self._limits = file, where, limits
        self.rate_hz: int = file.samplerate
        self.channels: int = file.channels
        self.frames: int | None = file.frames if 0 < file.frames < 1 << 62 else None

    def blocks(self, frames: int = 65_536) -> Iterator[Array]:
        """The samples in order, float32 (n, channels) in -1..1, n <= frames."""
        read, longest = 0, self._limits.longest_s * self.rate_hz
        while True:
            try:
                block = self._file.read(frames, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                raise InvalidInput(
                    self._where, f"is damaged after {read / self.rate_hz:.2f} s ({error})"
                ) from error
            if not len(block):
                break
            read += len(block)
            if read > longest:
                raise too_long(self._where, read / self.rate_hz, self._limits)
            yield block
        if read == 0:
            raise InvalidInput(self._where, "holds no samples; expected at least one")

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

    Raises NotFound for a missing file, InvalidInput for a folder, an empty file or something that
    is no audio, LimitExceeded beyond `limits`.
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
    if reader.channels > limits.channels:
        file.close()
        raise LimitExceeded(
            where, f"has {reader.channels} channels; at most {limits.channels} are read"
        )
    if reader.frames and reader.frames > limits.longest_s * reader.rate_hz:
        file.close()
        raise too_long(where, reader.frames / reader.rate_hz, limits)
    return reader


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
    return str(error).split(": ", 1)[-1].rstrip(".")
