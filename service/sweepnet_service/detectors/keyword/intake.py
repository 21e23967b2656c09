"""Any data set for a keyword -> one `Dataset`: folders, CSV manifests, Audacity label tracks.

- a folder with positive/ and negative/ (and noise/), each perhaps below train/, validation/, test/
- audio files with label tracks (name.txt beside name.wav), in such folders or alone
- a CSV file, or a folder with manifest.csv: see `read_manifest`
- the folder of the shipped models' data: continuous/, keywords/ and noise/, or speech/ with them

Where no split is given, a recording's is drawn from its group (its speaker, its source, the folder
it lies in, else the file) by hash: it stays the same when other recordings come or go.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile

from sweepnet_service.detectors.keyword.audio import READABLE, AudioLimits, check_size, reason
from sweepnet_service.detectors.keyword.dataset import (
    NEGATIVE,
    OWN,
    POSITIVE,
    SPLITS,
    SUFFIXES,
    Recording,
    inside,
    known_split,
    once,
    placed,
    read_clips,
    read_continuous,
    read_manifest,
    read_noise,
    says,
    says_exactly,
)
from sweepnet_service.detectors.keyword.labels import labelled, read_track, track_of
from sweepnet_service.errors import InvalidInput, SweepnetError

NOISE = "noise"
HELD_OUT = {"validation": 0.15, "test": 0.15}
FEWEST_GROUPS = 10
"""With fewer groups of the word all are learnt from: a tenth of nothing measures nothing."""


@dataclass(frozen=True)
class Dataset:
    """Recordings with label, split and perhaps the word's place; background noise beside them.

    `given` tells whether the splits are the data set's own, not drawn here.
    """

    where: Path
    recordings: Sequence[Recording]
    noise: Sequence[Recording] = ()
    given: bool = True

    def part(self, split: str) -> Dataset:
        """One split of it."""
        return replace(
            self,
            recordings=[row for row in self.recordings if row.split == split],
            noise=[row for row in self.noise if row.split == split],
        )

    def placed(self, keyword: str) -> list[Recording]:
        """Those that hold the word at a known place."""
        return [row for row in self.recordings if placed(row, keyword)]

    def weak(self, keyword: str) -> list[Recording]:
        """Those that hold the word somewhere: labelled so, without a place."""
        return [
            row
            for row in self.recordings
            if row.label and says_exactly(row, keyword) and not placed(row, keyword)
        ]

    def negative(self, keyword: str) -> list[Recording]:
        """Those that hold neither the word nor a form of it."""
        return [row for row in self.recordings if not says(row, keyword)]


def read_dataset(path: Path, untold: bool = False) -> Dataset:
    """The data set at a folder or CSV file; `untold`: even one whose rows do not tell what is said.

    Raises InvalidInput where there is none.
    """
    if path.is_file():
        return with_splits(path, read_list(path, untold))
    if not path.is_dir():
        raise InvalidInput("data", f"no file or folder named {path}")
    shipped = speech_folder(path)
    if shipped is not None:
        rows = once([*read_clips(shipped), *read_continuous(shipped)])
        return Dataset(shipped, rows, read_noise(shipped))
    manifest = path / "manifest.csv"
    if manifest.is_file():
        return with_splits(path, read_list(manifest, untold))
    return with_splits(path, read_folders(path))


def read_list(path: Path, untold: bool) -> list[Recording]:
    """The recordings of a CSV manifest. Unless `untold`, raises InvalidInput for those of which
    nothing tells whether they hold a word.
    """
    rows = read_manifest(path)
    unknown = [row for row in rows if not (row.label or row.text or row.corpus == NOISE)]
    if unknown and not untold:
        raise InvalidInput(
            str(path),
            f"nothing tells whether the word is in {listed([row.path.name for row in unknown])}; "
            f"fill label (the word, or {NEGATIVE}), text, or category ({NOISE})",
        )
    return rows


def speech_folder(path: Path) -> Path | None:
    """The folder with continuous/, keywords/ and noise/ at or below a path."""
    found = (each for each in (path, path / "speech") if (each / "continuous").is_dir())
    return next(found, None)


def read_folders(folder: Path) -> list[Recording]:
    """The recordings of all audio files below a folder, by the folders they lie in."""
    files = audio_files(folder)
    if not files:
        raise InvalidInput(
            str(folder),
            f"holds no audio file ({' '.join(SUFFIXES)}); expected positive/ and negative/ with "
            "recordings, audio files with label tracks, or manifest.csv",
        )
    read = [(path, read_file(folder, path)) for path in files]
    unknown = [str(path.relative_to(folder)) for path, rows in read if rows is None]
    if unknown:
        raise InvalidInput(
            str(folder),
            f"nothing tells whether the word is in {listed(unknown)}; put such files into "
            "positive/ or negative/, or a label track beside each (name.txt; an empty one: not)",
        )
    return [row for _, rows in read for row in rows or ()]


def read_file(folder: Path, path: Path) -> list[Recording] | None:
    """The recordings in one file; None where neither folder nor label track tells about it."""
    parents = list(path.relative_to(folder).parts[:-1])
    split = _taken(parents, split_names())
    kind = _taken(parents, (POSITIVE, NEGATIVE, NOISE))
    whole = Recording(
        path,
        0.0,
        None,
        known_split(split),
        speaker="",
        corpus=kind if kind == NOISE else OWN,
        licence="the user's own",
        text="",
        source="/".join(parents) or path.relative_to(folder).as_posix(),
        label=kind if kind == POSITIVE else NEGATIVE,
    )
    track = track_of(path)
    if track is not None and kind in ("", POSITIVE):
        return list(labelled(whole, read_track(track), seconds_of(path)))
    return [whole] if kind else None


def split_names() -> tuple[str, ...]:
    return (*SPLITS, "val", "dev", "training")


def _taken(parents: list[str], names: Iterable[str]) -> str:
    """The first of the folders if it has one of the names, removed from them; "" otherwise."""
    return parents.pop(0) if parents and parents[0] in names else ""


def audio_files(folder: Path) -> list[Path]:
    """All audio files below `folder`, in order of name."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(inside(folder, path.relative_to(folder)) for path in found)


def seconds_of(path: Path) -> float:
    """The length of an audio file. Raises InvalidInput where it cannot be read."""
    try:
        check_size(path, str(path), AudioLimits())
        return float(soundfile.info(path).duration)
    except (soundfile.LibsndfileError, OSError) as error:
        raise InvalidInput(
            str(path), f"is not audio that can be read ({reason(error)}); expected {READABLE}"
        ) from error
    except SweepnetError as error:
        raise InvalidInput(str(path), error.message) from error


def length_s(row: Recording) -> float:
    """How long a recording is, in seconds."""
    return (seconds_of(row.path) if row.end_s is None else row.end_s) - row.start_s


def with_splits(where: Path, rows: Sequence[Recording]) -> Dataset:
    """The data set of these rows. A row that names no split goes with its group (into train where
    that is on both sides); where the group has none it is drawn.
    """
    given = all(row.split for row in rows)
    known = {group(row): split for split in reversed(SPLITS) for row in rows if row.split == split}
    words = {group(row) for row in rows if row.label != NEGATIVE and row.corpus != NOISE}
    enough = len(words) >= FEWEST_GROUPS

    def split_of(row: Recording) -> str:
        name = group(row)
        return row.split or known.get(name) or (drawn_split(name) if enough else "train")

    divided = [replace(row, split=split_of(row)) for row in rows]
    return Dataset(
        where,
        [row for row in divided if row.corpus != NOISE],
        [replace(row, label=NEGATIVE) for row in divided if row.corpus == NOISE],
        given,
    )


def on_both_sides(data: Dataset) -> list[str]:
    """The speakers and sources of which more than one split has recordings."""
    splits: dict[str, set[str]] = defaultdict(set)
    for row in data.recordings:
        splits[row.speaker or row.source].add(row.split)
    return sorted(name for name, found in splits.items() if name and len(found) > 1)


def check_tells_words(data: Dataset, words: Sequence[str]) -> None:
    """Raises InvalidInput for several words where recordings only tell that they hold "the" word:
    each would count for every word.
    """
    if len(words) < 2:
        return
    row = next((row for row in data.recordings if row.label == POSITIVE), None)
    if row is not None:
        raise InvalidInput(
            str(data.where),
            f"does not tell which of the {len(words)} words {row.path.name} holds (its label is "
            f"{POSITIVE!r}); take one word, or tell it in the column `label` of a CSV manifest or "
            "in label tracks",
        )


def group(row: Recording) -> str:
    """What must not be on both sides of a split."""
    return row.speaker or row.source or row.path.name


def drawn_split(name: str) -> str:
    """The split of a group: 70 of 100 train, 15 validation, 15 test, by the hash of its name."""
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
    for split, part in HELD_OUT.items():
        if share < part:
            return split
        share -= part
    return "train"


def listed(names: Sequence[str], most: int = 5, between: str = ", ") -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more
