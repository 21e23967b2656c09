"""The recordings a keyword model learns from: manifests or folders -> one list of `Recording`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile
import soxr

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput

RATE_HZ = 16_000
UNLICENSED_VOICES = frozenset(
    {"allison_smith", "carolinedunn", "nkanyezi", "st10278605", "404logic", "lms147"}
)
OWN = "folder"
"""The corpus of a user's own recordings, whose speakers nobody named."""
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")


@dataclass(frozen=True)
class Recording:
    """One utterance inside an audio file; times in seconds within that file.

    `sex`, `age` (years), `accent` and `session` (recordings that sound like one voice in one room)
    are as the manifest tells, "" where it does not.
    """

    path: Path
    start_s: float
    end_s: float | None
    split: str
    speaker: str
    corpus: str
    licence: str
    text: str
    source: str = ""
    word_s: tuple[float, float] | None = None
    sex: str = ""
    age: str = ""
    accent: str = ""
    session: str = ""

    @property
    def words(self) -> list[str]:
        return self.text.lower().split()


Spoken = tuple[Recording, Array]
"""A recording with its samples, float32 (n,) mono at 16 kHz."""


def read_continuous(data: Path) -> list[Recording]:
    """The continuous speech of `data`/continuous, with keyword times where they are known."""
    folder = data / "continuous"
    times = {
        row["utt_id"]: (float(row["welcome_start_s"]), float(row["welcome_end_s"]))
        for row in read_table(folder / "welcome_sentences.csv")
    }
    return [
        Recording(
            path=inside(folder, row["file"]),
            start_s=float(row["start_s"]),
            end_s=float(row["end_s"]),
            split=row["split"],
            speaker=row["speaker"],
            corpus=row["corpus"],
            licence=row["licence"],
            text=row["transcript"].lower(),
            source=f"{row['source_repo']}/{row['source_path']}",
            word_s=times.get(row["utt_id"]),
            sex=row.get("sex", ""),
            age=row.get("age", ""),
            accent=row.get("accent", ""),
        )
        for row in read_table(folder / "manifest.csv")
    ]


def read_clips(data: Path) -> list[Recording]:
    """The keyword clips of `data`/keywords; `text` is the transcript or the word."""
    folder = data / "keywords"
    return [
        Recording(
            path=inside(folder, row["file"]),
            start_s=float(row["start_s"]),
            end_s=float(row["end_s"]),
            split=row["split"],
            speaker=row["speaker"],
            corpus=row["file"].removesuffix(".ogg"),
            licence=row["licence"],
            text=(row["transcript"] or row["word"]).lower(),
            source=f"{row['source_repo']}/{row['source_path']}",
            word_s=span(row["word_start_s"], row["word_end_s"]) or spoken_span(row),
            session=row.get("session_guess", ""),
        )
        for row in read_table(folder / "clips.csv")
    ]


def read_noise(data: Path) -> list[Recording]:
    """The background noise of `data`/noise."""
    folder = data / "noise"
    return [
        Recording(
            path=inside(folder, row["file"]),
            start_s=float(row["start_s"]),
            end_s=float(row["end_s"]),
            split=row["split"],
            speaker="",
            corpus=row["category"],
            licence=row["licence"],
            text="",
            source=f"{row['source_repo']}/{row['source_path']}",
        )
        for row in read_table(folder / "manifest.csv")
    ]


def room_rows(data: Path) -> list[dict[str, str]]:
    """The manifest's rows of the room responses for training."""
    rows = read_table(data / "noise" / "rir_manifest.csv")
    return [row for row in rows if row["split"] == "train"]


def read_rooms(data: Path) -> list[Array]:
    """The room responses for training, float32 (n,) each at 16 kHz."""
    paths = [inside(data / "noise", row["file"]) for row in room_rows(data)]
    return [soundfile.read(path, dtype="float32")[0] for path in paths]


def read_folder(folder: Path, split: str = "train") -> tuple[list[Recording], list[Recording]]:
    """What a user recorded: (positive, negative) from `folder`/positive and `folder`/negative.

    Raises InvalidInput where `positive` is missing or holds no audio file.
    """
    positive = audio_files(folder / "positive")
    if not positive:
        raise InvalidInput(
            str(folder / "positive"),
            f"holds no audio file; expected recordings of the word as {' '.join(SUFFIXES)}",
        )
    negative = audio_files(folder / "negative")
    return [whole(path, split) for path in positive], [whole(path, split) for path in negative]


def audio_files(folder: Path) -> list[Path]:
    """All audio files below `folder`, in order of name."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(inside(folder, path.relative_to(folder)) for path in found)


def inside(folder: Path, name: str | Path) -> Path:
    """The file of this name below `folder`. Raises InvalidInput for one that leads out of it."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidInput(str(name), "leads out of the data folder; put the file itself there")
    return path


def whole(path: Path, split: str) -> Recording:
    """A whole file as a recording."""
    return Recording(path, 0.0, None, split, path.stem, OWN, "the user's own", "")


def may_ship(recording: Recording) -> bool:
    """Whether a shipped model may learn from it: a training split under a clear licence."""
    return (
        recording.split == "train"
        and recording.speaker not in UNLICENSED_VOICES
        and recording.corpus != "welcome_gpl"
    )


def once(recordings: Iterable[Recording]) -> list[Recording]:
    """Each source recording once: the first of those that several manifests list."""
    seen: dict[str, Recording] = {}
    for recording in recordings:
        seen.setdefault(recording.source or f"{recording.path}:{recording.start_s}", recording)
    return list(seen.values())


def says(recording: Recording, keyword: str) -> bool:
    """Whether the text holds the keyword or one of its forms ("welcomed" holds "welcome")."""
    if " " in keyword:
        return keyword.lower() in recording.text
    return not forms(keyword.lower()).isdisjoint(recording.words)


def forms(word: str) -> frozenset[str]:
    """The word with the endings that English verbs and nouns take."""
    past = f"{word}d" if word.endswith("e") else f"{word}ed"
    ending = (f"{word}s", f"{word}es", f"{word}'s", f"{word}ing", f"{word.removesuffix('e')}ing")
    return frozenset({word, past, *ending})


def read_samples(recordings: Iterable[Recording]) -> Iterator[Spoken]:
    """Each recording with its samples; consecutive ones of a file decode it once."""
    for path, group in groupby(recordings, key=lambda recording: recording.path):
        samples, rate_hz = read_mono(path)
        for recording in group:
            end = None if recording.end_s is None else round(recording.end_s * rate_hz)
            part = samples[round(recording.start_s * rate_hz) : end]
            yield recording, soxr.resample(part, rate_hz, RATE_HZ) if rate_hz != RATE_HZ else part


def read_mono(path: Path) -> tuple[Array, int]:
    """The mean of a file's channels, float32 (n,), and its rate in hertz."""
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise InvalidInput(str(path), f"cannot be read as audio ({error})") from error
    return np.mean(samples, axis=1), rate_hz


def relative_word(recording: Recording) -> tuple[float, float] | None:
    """The word's start and end in seconds from the recording's own start."""
    if recording.word_s is None:
        return None
    return recording.word_s[0] - recording.start_s, recording.word_s[1] - recording.start_s


def cut(recording: Recording, start_s: float, end_s: float) -> Recording:
    """A part of a recording, times within the file."""
    return replace(recording, start_s=start_s, end_s=end_s)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file. Raises InvalidInput where it cannot be read."""
    try:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise InvalidInput(
            str(path), f"the manifest cannot be read ({error.strerror}); is the data folder right?"
        ) from error


def spoken_span(row: dict[str, str]) -> tuple[float, float] | None:
    """The louder part of a clip that holds one word alone."""
    alone = row["transcript"].lower() in ("", row["word"].lower())
    return span(row["speech_start_s"], row["speech_end_s"]) if alone else None


def span(start: str, end: str) -> tuple[float, float] | None:
    return (float(start), float(end)) if start and end else None
