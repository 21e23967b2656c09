"""Hard negatives: a model hears speech without its word; where its scores peak it learns once more.

What was mined is kept in mined.csv (file, seconds within it, score; the highest first) of a folder
inside the work folder that bears a digest of the network and of the speech: a rerun takes it from
there, another network or other speech is mined anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cnn_core.fit.digest import digest
from sweepnet_service.detectors.keyword.dataset import (
    LONGEST_FILE_S,
    NEGATIVE,
    OWN,
    Recording,
    cut,
    read_table,
    says,
)
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.heard import Heard, hear, peaks
from sweepnet_service.detectors.keyword.intake import (
    audio_files,
    read_dataset,
    read_file,
    seconds_of,
    speech_folder,
)
from sweepnet_service.detectors.keyword.measures import key_of, write_table
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Progress, Report, paced

MINED = "mined.csv"
COLUMNS = ("file", "start_s", "end_s", "at_s", "score")
AN_HOUR = 60
APART_S = 1.0
HALF_S = 2.0
"""Seconds before and after a peak that are learnt."""


@dataclass(frozen=True)
class Alarm:
    """A piece of speech without the word, where in its file the score peaks, and the score."""

    recording: Recording
    at_s: float
    score: float


@dataclass(frozen=True)
class Mined:
    """What was mined, the highest score first, and the folder for all that is made of it."""

    alarms: Sequence[Alarm]
    folder: Path

    @property
    def recordings(self) -> list[Recording]:
        return [alarm.recording for alarm in self.alarms]


def mined(
    detector: KeywordDetector,
    label: str,
    speech: Path,
    work_dir: Path,
    report: Report,
    words: Sequence[str] = (),
) -> Mined:
    """The highest peaks of a label in speech that holds neither it nor the other `words`, 60 an
    hour, kept inside `work_dir`.
    """
    rows = [
        row for row in speech_without(speech, label) if not any(says(row, word) for word in words)
    ]
    folder = work_dir / f"mined-{digest((detector.net, label, list(map(key_of, rows))))}"
    kept = folder / MINED
    if kept.exists():
        return Mined(read_mined(kept), folder)
    tell = paced("mining", len(rows), report)
    found: list[Alarm] = []
    seconds = 0.0
    for done, heard in enumerate(hear(detector, rows, label), 1):
        found += alarms_in(detector, heard)
        seconds += heard.seconds
        tell(done)
    found.sort(key=lambda alarm: -alarm.score)
    found = found[: max(1, round(AN_HOUR * seconds / 3600))]
    folder.mkdir(parents=True, exist_ok=True)
    write_table(kept, COLUMNS, map(as_row, found))
    report(Progress("mined", len(found), len(found), None, told(found, seconds / 3600)))
    return Mined(found, folder)


def alarms_in(detector: KeywordDetector, heard: Heard) -> Iterator[Alarm]:
    """The peaks of one recording's scores."""
    row = heard.recording
    for index in peaks(heard.scores, round(APART_S / detector.hop_s)):
        first = detector.window.span(index)[0] - detector.padding_samples
        at_s = row.start_s + max(0.0, first / detector.rate_hz + detector.window_s / 2)
        past_s = min(at_s + HALF_S, row.start_s + heard.seconds)
        piece = cut(row, max(row.start_s, at_s - HALF_S), past_s)
        yield Alarm(piece, at_s, float(heard.scores[index]))


def speech_without(path: Path, label: str) -> list[Recording]:
    """The recordings to train on at a path that do not hold the word; of files that nothing is
    told about, all. Raises InvalidInput for none, or a file of more than an hour.
    """
    listed = path.is_file() or (path / "manifest.csv").is_file() or speech_folder(path)
    if listed:
        rows = read_dataset(path, untold=True).part("train").negative(label)
    else:
        read = ((file, read_file(path, file)) for file in audio_files(path))
        known = (row for file, rows in read for row in (rows or [unlabelled(file)]))
        rows = [row for row in known if row.label == NEGATIVE and row.split in ("", "train")]
    if not rows:
        raise InvalidInput("mine", f"{path} holds no speech to train on without {label!r}")
    for file in {row.path for row in rows}:
        if (length_s := seconds_of(file)) > LONGEST_FILE_S:
            raise InvalidInput(
                "mine", f"{file} lasts {length_s / 3600:.1f} h; cut it into pieces of an hour"
            )
    return rows


def unlabelled(path: Path) -> Recording:
    """A file of speech in which nobody says the word."""
    return Recording(path, 0.0, None, "", "", OWN, "the user's own", "", label=NEGATIVE)


def as_row(alarm: Alarm) -> tuple[object, ...]:
    """The alarm as it is written."""
    row = alarm.recording
    return row.path, f"{row.start_s:.3f}", f"{row.end_s:.3f}", f"{alarm.at_s:.2f}", alarm.score


def read_mined(path: Path) -> list[Alarm]:
    """The alarms in a file of `mined`."""
    return [
        Alarm(
            replace(
                unlabelled(Path(row["file"])),
                start_s=float(row["start_s"]),
                end_s=float(row["end_s"]),
            ),
            float(row["at_s"]),
            float(row["score"]),
        )
        for row in read_table(path)
    ]


def told(found: list[Alarm], hours: float) -> str:
    """How much was mined, and the highest of it."""
    if not found:
        return f"nothing from {hours:.2f} h: all of it is shorter than a window"
    best = found[0]
    return (
        f"{len(found)} from {hours:.2f} h; the highest scores {best.score:.3f} in "
        f"{best.recording.path.name} at {best.at_s:.1f} s"
    )
