"""Recordings that were answered join a data set of a word: in its folders, or in its manifest."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweepnet_service.captures import Capture
from sweepnet_service.errors import InvalidInput

MANIFEST = "manifest.csv"
SPLIT = "train"


def add_words(folder: Path, answered: Sequence[tuple[Capture, bytes]]) -> None:
    """A WAV file an answer, in `folder`; one that holds the word tells where, for any word that
    the capture's label names. Clips of one stream form a group.

    Raises InvalidInput for the shipped models' data, whose lists are made by hand.
    """
    from sweepnet_service.detectors.keyword.intake import speech_folder

    if speech_folder(folder) is not None:
        raise InvalidInput(
            "data",
            "is the shipped models' own, which takes no answers; train on a folder of your own, "
            "or without answers (--without-answers)",
        )
    rows = [_row(folder, each, sound) for each, sound in answered]
    if (folder / MANIFEST).is_file():
        _append(folder / MANIFEST, rows)


def _row(folder: Path, capture: Capture, sound: bytes) -> dict[str, Any]:
    """The file, with a label track beside it if it holds the word; its row of a manifest."""
    seen = capture.sighting
    kind = "positive" if capture.answer == "yes" else "negative"
    place = Path(SPLIT, kind, f"reviewed-{seen.group}", f"{capture.id}.wav")
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sound)
    row = {"file": place.as_posix(), "split": SPLIT, "group": f"reviewed-{seen.group}"}
    if kind == "negative":
        return {**row, "label": kind}
    start_s, end_s = seen.word_s
    path.with_suffix(".txt").write_text(f"{start_s:.3f}\t{end_s:.3f}\t{seen.label}\n")
    return {**row, "label": seen.label, "word_start_s": start_s, "word_end_s": end_s}


def _append(manifest: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Further rows, and the columns that they need; the file itself may be a link to the user's."""
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        there, columns = list(reader), list(reader.fieldnames or ())
    columns += [
        name for name in dict.fromkeys(k for row in rows for k in row) if name not in columns
    ]
    manifest.unlink()
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows([*there, *rows])
