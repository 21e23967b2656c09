"""Captures played or shown: by sounddevice, or by a program that the system has for it."""

from __future__ import annotations

import importlib
import io
import os
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweepnet.workshop import Capture

PLAYERS = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
    ("play", "-q"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
)
LONGEST_S = 30.0
STARTS = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp"}


@dataclass(frozen=True)
class Presenter:
    """Puts captures into a folder, plays or opens them, and removes them again."""

    folder: Path
    files_only: bool = False

    @contextmanager
    def showing(self, capture: Capture) -> Iterator[Callable[[], None]]:
        """While inside the file is there; yields what plays or opens it once more."""
        path = self.folder / f"capture{suffix_of(capture)}"
        path.write_bytes(capture.content if capture.area_px is None else framed(capture))
        try:
            self._present(capture, path)
            yield lambda: self._present(capture, path)
        finally:
            path.unlink(missing_ok=True)

    def _present(self, capture: Capture, path: Path) -> None:
        heard = capture.area_px is None
        if heard:
            place = f"the word from {capture.start_s:.2f} to {capture.end_s:.2f} s"
        else:
            place = "the object in its frame"
        done = not self.files_only and (played(capture.content, path) if heard else opened(path))
        print(f"{place}" if done else f"{place}: {path}", file=sys.stderr)


def played(sound: bytes, path: Path) -> bool:
    """Whether a WAV file could be played; returns at its end."""
    if _by_sounddevice(sound):
        return True
    for player, *options in PLAYERS:
        if shutil.which(player) and _ran([player, *options, str(path)]):
            return True
    return False


def _by_sounddevice(sound: bytes) -> bool:
    """By the extra `sweepnet[mic]`, where it is installed and there is something to play by."""
    try:
        sounddevice: Any = importlib.import_module("sounddevice")
    except (ImportError, OSError):
        return False
    with wave.open(io.BytesIO(sound)) as file:
        rate_hz, samples = file.getframerate(), file.readframes(file.getnframes())
    try:
        with sounddevice.RawOutputStream(samplerate=rate_hz, channels=1, dtype="int16") as out:
            out.write(samples)
    except (sounddevice.PortAudioError, ValueError, OSError):
        return False
    return True


def opened(path: Path) -> bool:
    """Whether a picture could be given to a program that shows it."""
    if sys.platform == "darwin":
        return _ran(["open", str(path)])
    desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(desktop and shutil.which("xdg-open")) and _ran(["xdg-open", str(path)])


def _ran(command: list[str]) -> bool:
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


def suffix_of(capture: Capture) -> str:
    """What a capture's file ends with."""
    if capture.area_px is None:
        return ".wav"
    return next((end for start, end in STARTS.items() if capture.content.startswith(start)), ".png")


def framed(capture: Capture) -> bytes:
    """The picture with its object framed; as it came without Pillow."""
    assert capture.area_px is not None
    try:
        from sweepnet.drawing.framed import framed as drawn
    except ImportError:
        return capture.content
    return drawn(capture.content, capture.area_px)
