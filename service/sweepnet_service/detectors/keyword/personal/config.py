"""What a personal spotter is made of, checked before any work is done."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cnn_core.arrays import Array
from cnn_core.fit.digest import digest
from sweepnet_service.detectors.keyword.augment import loud_span_s
from sweepnet_service.detectors.keyword.config import WORD
from sweepnet_service.detectors.keyword.dataset import (
    OWN,
    POSITIVE,
    Recording,
    Spoken,
    read_samples,
)
from sweepnet_service.detectors.keyword.head import HeadSettings
from sweepnet_service.detectors.keyword.intake import audio_files, read_dataset
from sweepnet_service.detectors.keyword.measures import key_of
from sweepnet_service.detectors.keyword.speaking import engines
from sweepnet_service.detectors.keyword.trunk_source import taken_trunk
from sweepnet_service.detectors.numbers import check_numbers
from sweepnet_service.errors import InvalidInput, shown

DECIDING = ("keyword", "synthesize", "copies", "seed")
FEWEST = 3
LONGEST_S, SHORTEST_S = 3.0, 0.15
"""Of the louder part of a recording, which is taken for the word."""
QUICK = HeadSettings(steps=100, rounds=2, batch_positive=24, batch_negative=56, hard_pool=1_500)


@dataclass(frozen=True)
class PersonalConfig:
    """`recordings`: files or folders, each recording the word alone; several folders are several
    speakers. `other`: speech of the user's own without the word, beside what programs speak.
    """

    keyword: str
    recordings: tuple[Path, ...]
    out: Path
    work_dir: Path
    trunk: Path
    other: Path | None = None
    synthesize: int = 1_500
    copies: int = 12
    head_settings: HeadSettings = field(default_factory=lambda: QUICK)
    seed: int = 1


def check(config: PersonalConfig) -> None:
    """Raises InvalidInput for a configuration that cannot work."""
    check_numbers(config)
    if config.copies < 1:
        raise InvalidInput("settings.copies", f"got {config.copies}; expected at least 1")
    if not WORD.fullmatch(config.keyword):
        raise InvalidInput(
            "keyword", f"got {shown(config.keyword)}; expected a name of letters, ' and -"
        )
    taken_trunk(config.trunk)
    if config.synthesize:
        engines()
    elif config.other is None:
        raise InvalidInput(
            "other", "is not given, nor is anything synthesised; give speech without the word"
        )


def deciding(config: PersonalConfig, words: Sequence[Recording]) -> dict[str, str]:
    """What the stages kept in the work folder depend on."""
    version = hashlib.sha256(config.trunk.read_bytes()).hexdigest()[:16]
    others = [key_of(row) for row in other_recordings(config)]
    return {
        **{name: str(getattr(config, name)) for name in DECIDING},
        "trunk": version,
        "recordings": digest([key_of(row) for row in words]),
        "other": digest(others),
    }


def word_recordings(config: PersonalConfig) -> list[Spoken]:
    """The recordings with the place of the word in each: their louder part.

    Raises InvalidInput for fewer than three, or one whose louder part is too long for a word.
    """
    spoken = [placed(row, samples) for row, samples in read_samples(word_rows(config))]
    if len(spoken) < FEWEST:
        raise InvalidInput(
            "recordings",
            f"got {len(spoken)}, doubles counted once; expected {FEWEST} at least, each with the "
            "word alone",
        )
    return spoken


def word_rows(config: PersonalConfig) -> list[Recording]:
    """The files of the word, doubles once: one left out would be learnt from after all. Who speaks
    is told by their folders where there are several.
    """
    given = config.recordings
    files = [file for path in given for file in (audio_files(path) if path.is_dir() else [path])]
    first: dict[str, Path] = {}
    for file in files:
        first.setdefault(content_of(file), file)
    once = tuple(first.values())
    folders = {file.resolve().parent for file in once}
    names = Counter(folder.name for folder in folders)

    def speaker(file: Path) -> str:
        folder = file.resolve().parent
        several = str(folder) if names[folder.name] > 1 else folder.name
        return several if len(folders) > 1 else file.name

    return [
        Recording(
            file,
            0.0,
            None,
            "train",
            speaker(file),
            OWN,
            "the user's own",
            config.keyword.lower(),
            label=POSITIVE,
        )
        for file in once
    ]


def content_of(file: Path) -> str:
    """What tells a file's content from others'. Raises InvalidInput where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise InvalidInput(str(file), "there is no such file") from None
    except OSError as error:
        raise InvalidInput(str(file), f"cannot be read ({error.strerror})") from None


def placed(row: Recording, samples: Array) -> Spoken:
    """A recording with its louder part as the word."""
    start_s, end_s = loud_span_s(samples)
    if not SHORTEST_S <= end_s - start_s <= LONGEST_S:
        raise InvalidInput(
            str(row.path),
            f"its louder part lasts {end_s - start_s:.1f} s; expected {SHORTEST_S:g} to "
            f"{LONGEST_S:g} s, the word alone: cut out the rest",
        )
    return replace(row, word_s=(start_s, end_s)), samples


def other_recordings(config: PersonalConfig) -> list[Recording]:
    """The user's own speech without the word."""
    if config.other is None:
        return []
    if has_table(config.other):
        return list(read_dataset(config.other, untold=True).negative(config.keyword))
    files = audio_files(config.other) if config.other.is_dir() else [config.other]
    if not files:
        raise InvalidInput("other", f"{config.other} holds no audio file; expected speech")
    words = {content_of(row.path) for row in word_rows(config)}
    if same := next((file for file in files if content_of(file) in words), None):
        raise InvalidInput(
            "other", f"holds {same}, a recording of the word too; expected speech without it"
        )
    return [Recording(each, 0.0, None, "train", "", OWN, "the user's own", "") for each in files]


def has_table(path: Path) -> bool:
    """Whether a data set lists its recordings."""
    return path.suffix == ".csv" or (path / "manifest.csv").is_file()
