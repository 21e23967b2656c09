"""The recordings a keyword model learns from: manifests -> lists of `Recording`, with samples.

A manifest is a CSV file with a row for each recording. Only `file` must be there (relative to the
manifest's folder); the other columns that are read, the first name that is there and filled:

- start_s, end_s: the part of the file; all of it where they are missing
- label or word: the word that is said; "positive": the word of the data set, "negative": another
- text or transcript: what is said, where a sentence is known
- word_start_s, word_end_s: where the label's word lies, in seconds of the file
- split: train, validation or test; source, group or source_repo with source_path: what belongs
  together; speaker, session, sex, age, accent, licence, corpus or category
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import groupby
from math import inf
from pathlib import Path

import numpy as np
import soundfile
import soxr

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.audio import AudioLimits, open_audio
from sweepnet_service.errors import InvalidInput, SweepnetError

RATE_HZ = 16_000
LONGEST_FILE_S = 3_600.0
"""Recordings are cut out of files held in memory; a longer file is refused."""
SENTENCE = "(sentence)"
"""What the clips' manifest calls a row that stands for no one word."""
FILE = "file"
SOURCE_COLUMNS = ("source_repo", "source_path")
COLUMNS = (
    *(FILE, "start_s", "end_s", "label", "word", "text", "transcript", "split"),
    *("word_start_s", "word_end_s", "speech_start_s", "speech_end_s"),
    *("source", "group", *SOURCE_COLUMNS, "speaker", "session", "session_guess"),
    *("sex", "age", "accent", "licence", "corpus", "category"),
)
ALIKE = 0.79
"""How alike a misspelt name is to the right one, as `difflib` counts."""
UNLICENSED_VOICES = frozenset(
    {"allison_smith", "carolinedunn", "nkanyezi", "st10278605", "404logic", "lms147"}
)
OWN = "folder"
"""The corpus of a user's own recordings, whose speakers nobody named."""
POSITIVE, NEGATIVE = "positive", "negative"
"""Labels of recordings that hold the data set's word, whichever it is, or surely not."""
SPLITS = ("train", "validation", "test")
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")


@dataclass(frozen=True)
class Recording:
    """One utterance inside an audio file; times in seconds within that file.

    `label` is the word said to be in it, POSITIVE or NEGATIVE; `word_s` is where. A label without a
    place makes it a weak example: the word is somewhere in it.
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
    label: str = ""
    sex: str = ""
    age: str = ""
    accent: str = ""
    session: str = ""

    @property
    def words(self) -> list[str]:
        return self.text.lower().split()


Spoken = tuple[Recording, Array]
"""A recording with its samples, float32 (n,) mono at 16 kHz."""


def read_manifest(path: Path, split: str = "") -> list[Recording]:
    """The recordings that a CSV file lists; `split` where a row names none.

    Raises InvalidInput with the line of a row that cannot be used, or of a misspelt column.
    """
    found = []
    rows = read_table(path)
    check_columns(path, [name for name in (rows[0] if rows else ()) if name])
    for line, row in enumerate(rows, 2):
        try:
            found.append(_listed(path, row, split))
        except ValueError as error:
            raise InvalidInput(f"{path}, line {line}", f"{error}; see docs/data.md") from error
    return found


def check_columns(path: Path, names: Sequence[str]) -> None:
    """Raises InvalidInput where `file` is missing, or a column is nearly one that is read and that
    is missing: what it tells would be read by nobody.
    """
    if names and FILE not in names:
        raise InvalidInput(
            f"{path}, line 1", f"has no column {FILE!r} (but {', '.join(names)}); see docs/data.md"
        )
    for name in names:
        missing = [known for known in COLUMNS if known not in names]
        meant = () if name in COLUMNS else get_close_matches(name.lower(), missing, 1, ALIKE)
        if meant:
            raise InvalidInput(
                f"{path}, line 1", f"has no column {meant[0]!r}, but {name!r}; name it {meant[0]!r}"
            )


def _listed(path: Path, row: dict[str, str], split: str) -> Recording:
    def first(*names: str) -> str:
        return next((row[name].strip() for name in names if row.get(name)), "")

    label = first("label", "word").lower()
    text = first("text", "transcript").lower()
    named = first("source", "group") or "/".join(filter(None, map(first, SOURCE_COLUMNS)))
    start_s, end_s = part_s(first("start_s"), first("end_s"))
    alone = text in ("", label)
    return Recording(
        path=inside(path.parent, named_file(row)),
        start_s=start_s,
        end_s=end_s,
        split=known_split(first("split") or split),
        speaker=first("speaker"),
        corpus=first("corpus", "category") or OWN,
        licence=first("licence") or "the user's own",
        text=text or (label if label not in (POSITIVE, NEGATIVE) else ""),
        source=named,
        word_s=word_part_s(first("word_start_s"), first("word_end_s"))
        or (word_part_s(first("speech_start_s"), first("speech_end_s")) if alone else None),
        label="" if label == SENTENCE else label,
        sex=first("sex"),
        age=first("age"),
        accent=first("accent"),
        session=first("session", "session_guess"),
    )


def named_file(row: dict[str, str]) -> str:
    """The file of a row. Raises ValueError for none."""
    if not row[FILE]:
        raise ValueError("file: got nothing; expected the name of an audio file")
    return row[FILE]


def part_s(start: str, end: str) -> tuple[float, float | None]:
    """Start and end of a part in seconds, None: to the end of the file. Raises ValueError."""
    start_s, end_s = float(start or 0), float(end) if end else None
    if not (0 <= start_s < inf and (end_s is None or start_s < end_s < inf)):
        raise ValueError(f"got {start!r} to {end!r}; expected seconds, the start before the end")
    return start_s, end_s


def word_part_s(start: str, end: str) -> tuple[float, float] | None:
    """Where a word lies in seconds, None where that is not told. Raises ValueError."""
    start_s, end_s = part_s(start, end)
    return (start_s, end_s) if start and end_s is not None else None


def known_split(name: str) -> str:
    """The split of this name; "val" and "dev" are validation. Raises ValueError for another."""
    split = {"val": "validation", "dev": "validation", "training": "train"}.get(name, name)
    if split not in ("", *SPLITS):
        raise ValueError(f"split: got {name!r}; expected one of {', '.join(SPLITS)}")
    return split


def read_continuous(data: Path) -> list[Recording]:
    """The continuous speech of `data`/continuous, with keyword times where they are known."""
    folder = data / "continuous"
    times = {
        f"{row['source_repo']}/{row['source_path']}": word_part_s(
            row["welcome_start_s"], row["welcome_end_s"]
        )
        for row in read_table(folder / "welcome_sentences.csv")
    }
    return [
        replace(row, word_s=times[row.source], label="welcome") if row.source in times else row
        for row in read_manifest(folder / "manifest.csv")
    ]


def read_clips(data: Path) -> list[Recording]:
    """The keyword clips of `data`/keywords; `text` is the transcript or the word."""
    clips = read_manifest(data / "keywords" / "clips.csv")
    return [replace(row, corpus=row.path.stem) for row in clips]


def read_noise(data: Path) -> list[Recording]:
    """The background noise of `data`/noise."""
    return [replace(row, label=NEGATIVE) for row in read_manifest(data / "noise" / "manifest.csv")]


def room_rows(data: Path) -> list[dict[str, str]]:
    """The manifest's rows of the room responses for training."""
    rows = read_table(data / "noise" / "rir_manifest.csv")
    return [row for row in rows if row["split"] == "train"]


def room_files(data: Path) -> list[Path]:
    """The files of the room responses for training."""
    return [inside(data / "noise", row["file"]) for row in room_rows(data)]


def read_rooms(data: Path) -> list[Array]:
    """The room responses for training, float32 (n,) each at 16 kHz."""
    return [soundfile.read(path, dtype="float32")[0] for path in room_files(data)]


def inside(folder: Path, name: str | Path) -> Path:
    """The file of this name below `folder`. Raises InvalidInput for one that leads out of it."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidInput(str(name), "leads out of the data folder; put the file itself there")
    return path


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
    """Whether it holds the keyword or one of its forms ("welcomed" holds "welcome")."""
    if recording.label in (POSITIVE, NEGATIVE):
        return recording.label == POSITIVE
    if " " in keyword:
        return keyword.lower() in recording.text
    return not forms(keyword.lower()).isdisjoint(recording.words)


def says_exactly(recording: Recording, keyword: str) -> bool:
    """Whether it holds the keyword as it is."""
    if recording.label in (POSITIVE, NEGATIVE):
        return recording.label == POSITIVE
    return f" {keyword.lower()} " in f" {' '.join(recording.words)} "


def placed(recording: Recording, keyword: str) -> bool:
    """Whether it holds the keyword at a known place."""
    own = recording.label in ("", POSITIVE, keyword.lower())
    return recording.word_s is not None and own and says_exactly(recording, keyword)


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
    """The mean of a file's channels, float32 (n,), and its rate in hertz.

    Raises InvalidInput, naming the file, for one that is missing, damaged, cut short, longer than
    an hour, or holds samples that are no numbers.
    """
    try:
        with open_audio(path, AudioLimits(longest_s=LONGEST_FILE_S)) as audio:
            blocks = [np.mean(block, axis=1) for block in audio.blocks()]
            return np.concatenate(blocks), audio.rate_hz
    except SweepnetError as error:
        raise InvalidInput(str(path), error.message) from error


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
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except UnicodeDecodeError as error:
        raise InvalidInput(str(path), "is no CSV file: its bytes are not UTF-8 text") from error
    except OSError as error:
        raise InvalidInput(
            str(path), f"the manifest cannot be read ({error.strerror}); is the data folder right?"
        ) from error
