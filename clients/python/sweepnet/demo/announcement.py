"""What the demo plays: which prompts in which order, what they say, and where the word truly is."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RATE_HZ = 8000
GAP_S = 0.4
LABEL = "welcome"


@dataclass(frozen=True)
class Prompt:
    """One recording; `word_s` is (start, end) of LABEL in it, None where it is not said."""

    name: str
    says: str
    word_s: tuple[float, float] | None = None


@dataclass(frozen=True)
class Placed:
    """A prompt within the announcement, in seconds from its start."""

    prompt: Prompt
    start_s: float
    end_s: float

    @property
    def word_s(self) -> tuple[float, float] | None:
        """(start, end) of LABEL in the announcement."""
        if self.prompt.word_s is None:
            return None
        start_s, end_s = self.prompt.word_s
        return self.start_s + start_s, self.start_s + end_s


@dataclass(frozen=True)
class Announcement:
    """16-bit mono samples at RATE_HZ, and what is where in them."""

    source: str
    samples: bytes
    parts: tuple[Placed, ...]

    @property
    def duration_s(self) -> float:
        return len(self.samples) / 2 / RATE_HZ

    @property
    def words_s(self) -> tuple[tuple[float, float], ...]:
        """Where LABEL is truly said: (start, end) in seconds."""
        return tuple(part.word_s for part in self.parts if part.word_s is not None)

    def chunks(self, chunk_s: float) -> Iterator[bytes]:
        """The samples in pieces of `chunk_s`; the last may be shorter."""
        size = 2 * round(chunk_s * RATE_HZ)
        for start in range(0, len(self.samples), size):
            yield self.samples[start : start + size]


# Chosen by name and transcript before any model existed. The place of the word: a forced alignment
# (pocketsphinx, US English) gave 0.00-0.67 with the leading silence; the energy rises at 0.07 and
# falls before the "t" of "to" at 0.67.
TELEPHONE = (
    Prompt("pls-hold-while-try", "Please hold while we try to connect you."),
    Prompt("queue-youarenext", "Your call is now first in line and will be answered ..."),
    Prompt("vm-nobodyavail", "Nobody is available to take your call at the moment."),
    Prompt("dir-welcome", "Welcome to the directory.", word_s=(0.07, 0.67)),
    Prompt("dir-instr", "If this is the person you are looking for, press 1 now ..."),
    Prompt("queue-thankyou", "Thank you for your patience."),
    Prompt("vm-goodbye", "Goodbye."),
)

# Made by scripts/demo_assets.py; the word's place from a forced alignment as above.
SYNTHETIC = (
    Prompt("hold", "Thank you for calling. Please hold the line."),
    Prompt("welcome", "Welcome to the garden office.", word_s=(0.0, 0.48)),
    Prompt("press", "Press one to leave a message."),
)


def join(folder: Path, prompts: tuple[Prompt, ...], source: str) -> Announcement:
    """The prompts one after the other, GAP_S of silence around each."""
    gap = bytes(2 * round(GAP_S * RATE_HZ))
    samples = bytearray(gap)
    parts = []
    for prompt in prompts:
        start_s = len(samples) / 2 / RATE_HZ
        samples += _read(folder / f"{prompt.name}.wav")
        parts.append(Placed(prompt, start_s, len(samples) / 2 / RATE_HZ))
        samples += gap
    return Announcement(source, bytes(samples), tuple(parts))


def _read(path: Path) -> bytes:
    """The samples of one 8 kHz 16-bit mono WAV file."""
    with wave.open(str(path)) as recording:
        form = (recording.getframerate(), recording.getnchannels(), recording.getsampwidth())
        if form != (RATE_HZ, 1, 2):
            raise ValueError(f"{path.name}: expected 8 kHz, mono, 16 bit; got {form}")
        samples: bytes = recording.readframes(recording.getnframes())
    return samples
