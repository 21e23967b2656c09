"""Audacity label tracks: name.txt beside name.wav -> a recording each label, and what is between.

A track has a line for each label: start, end and text, parted by tabs, times in seconds. The word
is where its labels are and nowhere else in the file; a label without text is the data set's word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sweepnet_service.detectors.keyword.dataset import NEGATIVE, POSITIVE, Recording
from sweepnet_service.errors import InvalidInput, shown

CONTEXT_S = 1.5
"""How much of the file before and after a word belongs to its recording."""
SHORTEST_BETWEEN_S = 0.5
POINT_HALF_S = 0.3
"""Half the length of a word that is marked by a point in its middle."""
SPECTRAL = "\\"
"""Begins the line with a label's band of frequencies, which tells nothing about words."""


@dataclass(frozen=True)
class Label:
    """A labelled stretch of a file, in seconds."""

    start_s: float
    end_s: float
    text: str


def track_of(path: Path) -> Path | None:
    """The label track beside an audio file, None where there is none."""
    track = path.with_suffix(".txt")
    return track if track.is_file() else None


def read_track(path: Path) -> list[Label]:
    """The labels of a track in order of time. Raises InvalidInput with the line that is none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInput(str(path), "is no label track: its bytes are not UTF-8 text") from error
    kept = [
        _label(path, number, line)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith(SPECTRAL)
    ]
    return sorted(kept, key=lambda label: label.start_s)


def _label(path: Path, number: int, line: str) -> Label:
    start, _, rest = line.partition("\t")
    end, _, text = rest.partition("\t")
    try:
        start_s, end_s = float(start), float(end)
    except ValueError:
        start_s, end_s = 0.0, -1.0
    if not 0 <= start_s <= end_s < float("inf"):
        raise InvalidInput(
            f"{path}, line {number}",
            f"got {shown(line)}; expected start, end in seconds and a label, parted by tabs",
        )
    if start_s == end_s:
        start_s, end_s = max(0.0, start_s - POINT_HALF_S), end_s + POINT_HALF_S
    return Label(start_s, end_s, text.strip().lower())


def labelled(whole: Recording, labels: Sequence[Label], seconds: float) -> Iterator[Recording]:
    """The file `whole` of this length as recordings: one round each label, the rest without."""
    done_s = 0.0
    for number, label in enumerate(labels):
        if label.start_s >= seconds:
            raise InvalidInput(
                str(whole.path),
                f"its track has a label at {label.start_s:g} s; the file is {seconds:.1f} s long",
            )
        after = labels[number + 1].start_s if number + 1 < len(labels) else seconds
        first_s = max(done_s, label.start_s - CONTEXT_S)
        past_s = min(max(after, label.end_s), label.end_s + CONTEXT_S, seconds)
        yield from _between(whole, done_s, first_s)
        named = label.text or POSITIVE
        yield replace(
            whole,
            start_s=min(first_s, label.start_s),
            end_s=past_s,
            word_s=(label.start_s, min(label.end_s, seconds)),
            label=named,
            text="" if named in (POSITIVE, NEGATIVE) else named,
        )
        done_s = max(done_s, past_s)
    yield from _between(whole, done_s, seconds)


def _between(whole: Recording, first_s: float, past_s: float) -> Iterator[Recording]:
    if past_s - first_s >= SHORTEST_BETWEEN_S:
        yield replace(whole, start_s=first_s, end_s=past_s, label=NEGATIVE, text="", word_s=None)
