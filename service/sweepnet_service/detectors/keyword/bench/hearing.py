"""What engines heard, kept as JSON lines: a run goes on where it was stopped, a rerun is free.

An answer holds for the file and the noise that were heard: where either changed it is asked anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.bench.engine import Detection, Engine
from sweepnet_service.detectors.keyword.dataset import RATE_HZ, Recording, Spoken
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report

SILENCE_S = 1.0
"""Put before and after each recording, so that a word at its edge is heard."""

Read = Callable[[Sequence[Recording]], Iterator[Spoken]]


@dataclass(frozen=True)
class Part:
    """Recordings under one condition, and how they are read; each is one stream. `noise` is a
    digest of what they are mixed with, "" for none.
    """

    name: str
    recordings: Sequence[Recording]
    read: Read
    noise: str = ""

    def sounds(self) -> dict[str, str]:
        """What is heard under each recording's name: a digest of its file, and the noise."""
        # Not the time of change, by which a copy of the data would be other data.
        files = {path: file_digest(path) for path in {row.path for row in self.recordings}}
        return {
            name_of(row): " ".join(filter(None, (files[row.path], self.noise)))
            for row in self.recordings
        }


@dataclass(frozen=True)
class Answer:
    """What one engine heard in one recording: setting -> word -> seconds after its start."""

    seconds: float
    heard: Mapping[float, Mapping[str, Sequence[float]]]

    def lacks(self, words: Iterable[str], settings: Iterable[float]) -> list[float]:
        """The settings at which it does not tell of all words."""
        return [s for s in settings if not set(words) <= self.heard.get(s, {}).keys()]

    def joined(self, other: Answer) -> Answer:
        """Both answers about the same recording; the other's count where both tell."""
        settings = {**self.heard, **other.heard}
        merged = {s: {**self.heard.get(s, {}), **other.heard.get(s, {})} for s in settings}
        return Answer(other.seconds, merged)


NOTHING = Answer(0.0, {})
Answers = dict[str, Answer]
"""By the recording's name."""


def file_digest(path: Path) -> str:
    """16 characters that tell a file's content from others."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def name_of(recording: Recording) -> str:
    """What a recording is called in results, on every machine: its source, file and place."""
    place = f"{recording.path.name}:{recording.start_s:g}"
    return f"{recording.source} {place}".strip()


def hear_part(
    engine: Engine, part: Part, settings: Sequence[float], folder: Path, report: Report
) -> Answers:
    """The engine's answers about every recording of a part: those kept in `folder`, then the rest.

    Each answer is written as soon as it is there.
    """
    path = folder / slug(engine.name) / f"{slug(part.name)}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    sounds = part.sounds()
    answers = read_answers(path, sounds)
    unheard = {
        name_of(row): still
        for row in part.recordings
        if (still := answers.get(name_of(row), NOTHING).lacks(engine.words, settings))
    }
    if unheard:
        with path.open("a", encoding="utf-8") as file:
            for name, answer in newly_heard(engine, part, unheard, report):
                answers[name] = answers.get(name, NOTHING).joined(answer)
                file.write(json.dumps(line(name, sounds[name], answer)) + "\n")
                file.flush()
    return {name: answers[name] for name in map(name_of, part.recordings)}


def newly_heard(
    engine: Engine, part: Part, unheard: Mapping[str, Sequence[float]], report: Report
) -> Iterator[tuple[str, Answer]]:
    """(name, answer) of each recording at the settings that lack for it, with progress."""
    rows = [row for row in part.recordings if name_of(row) in unheard]
    begun_s = time.monotonic()
    for done, (recording, samples) in enumerate(part.read(rows), start=1):
        name = name_of(recording)
        yield name, heard(engine, samples, unheard[name])
        left_s = (time.monotonic() - begun_s) / done * (len(rows) - done)
        report(Progress(f"{engine.name}, {part.name}", done, len(rows), left_s))


def heard(engine: Engine, samples: Array, settings: Sequence[float]) -> Answer:
    """The answer about samples (n,) at 16 kHz, with silence around them.

    Raises InvalidInput where the engine fails or answers for another number of settings.
    """
    silence = round(SILENCE_S * RATE_HZ)
    padded = np.pad(np.asarray(samples, np.float32), silence)
    if engine.rate_hz != RATE_HZ:
        padded = soxr.resample(padded, RATE_HZ, engine.rate_hz)
    try:
        told = engine.hear(padded, settings)
    except Exception as error:  # an adapter is anybody's code
        raise InvalidInput(engine.name, f"hear failed: {error!r}; mend its adapter") from error
    if len(told) != len(settings):
        raise InvalidInput(
            engine.name,
            f"answered for {len(told)} settings; expected one list for each of {len(settings)}",
        )
    by_setting = zip(settings, told, strict=True)
    return Answer(
        len(samples) / RATE_HZ, {s: by_word(engine.words, found) for s, found in by_setting}
    )


def by_word(words: Sequence[str], found: Sequence[Detection]) -> dict[str, list[float]]:
    """Seconds of each word's detections, after the silence."""
    return {
        word: [round(each.at_s - SILENCE_S, 3) for each in found if each.word == word]
        for word in words
    }


def line(name: str, sound: str, answer: Answer) -> dict[str, Any]:
    """What is kept of an answer, as JSON."""
    heard = {repr(float(setting)): dict(words) for setting, words in answer.heard.items()}
    seconds = round(answer.seconds, 4)
    return {"recording": name, "sound": sound, "seconds": seconds, "heard": heard}


def read_answers(path: Path, sounds: Mapping[str, str]) -> Answers:
    """The answers kept in a file about these sounds, by recording (a line that names no sound
    counts for any); a last line that was cut short is taken off.

    Raises InvalidInput where another line is none.
    """
    answers: Answers = {}
    if not path.exists():
        return answers
    kept = path.read_bytes()
    whole = kept[: kept.rfind(b"\n") + 1]
    if len(whole) < len(kept):
        path.write_bytes(whole)
    for number, text in enumerate(whole.decode("utf-8", "replace").splitlines(), start=1):
        try:
            name, sound, answer = answer_in(text)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(
                f"{path}, line {number}", f"holds no answer ({error}); take the line or file away"
            ) from error
        if sound in ("", sounds.get(name)):
            answers[name] = answers.get(name, NOTHING).joined(answer)
    return answers


def answer_in(text: str) -> tuple[str, str, Answer]:
    """(name, sound, answer) of a line. Raises ValueError, KeyError, TypeError or AttributeError."""
    row = json.loads(text)
    settings = {float(setting): dict(words) for setting, words in row["heard"].items()}
    answer = Answer(float(row["seconds"]), settings)
    return str(row["recording"]), str(row.get("sound", "")), answer


def slug(name: str) -> str:
    """A name as a file's: letters, digits, points and dashes ("-10 dB" is not "10 dB")."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip(".") or "engine"
