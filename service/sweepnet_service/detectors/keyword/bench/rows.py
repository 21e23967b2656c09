"""Answers of engines -> one row of figures for each engine and setting, as JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweepnet_service.detectors.keyword.bench.hearing import Answers, name_of
from sweepnet_service.detectors.keyword.dataset import Recording, says
from sweepnet_service.detectors.keyword.evaluate.intervals import Estimate, poisson_rate
from sweepnet_service.errors import InvalidInput

Misses = Mapping[str, float]
"""1 for a clip that was missed, 0 for one that was heard, by the clip's name; of several detectors
the share that missed it.
"""


@dataclass(frozen=True)
class Figures:
    """One word at one setting: misses by condition and clip, false alarms in hours without it."""

    misses: Mapping[str, Misses]
    false_alarms: int
    hours: float

    def __post_init__(self) -> None:
        if not self.misses or not all(self.misses.values()):
            raise ValueError("a condition has no clip")
        if not self.hours > 0 or self.false_alarms < 0:
            raise ValueError(f"got {self.false_alarms} false alarms in {self.hours} hours")

    def miss_rate(self, condition: str) -> float:
        clips = self.misses[condition]
        return sum(clips.values()) / len(clips)

    def rate(self) -> Estimate:
        """False alarms an hour with the exact interval."""
        return poisson_rate(self.false_alarms, self.hours)


@dataclass(frozen=True)
class Row:
    """What one engine does at one setting, by word."""

    engine: str
    setting: float
    words: Mapping[str, Figures]

    def pooled_miss_rate(self, words: Sequence[str], condition: str) -> float | None:
        """Over all clips of these words; None where one of them was not measured."""
        clips = [self.words[w].misses.get(condition) if w in self.words else None for w in words]
        missed = [each for of_word in clips for each in (of_word or {}).values()]
        return sum(missed) / len(missed) if all(clips) else None

    def to_dict(self) -> dict[str, Any]:
        words = {
            word: {
                "misses": {name: dict(clips) for name, clips in figures.misses.items()},
                "false_alarms": figures.false_alarms,
                "hours": figures.hours,
            }
            for word, figures in self.words.items()
        }
        return {"engine": self.engine, "setting": self.setting, "words": words}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Row:
        """Raises KeyError, TypeError, AttributeError or ValueError for what is no row."""
        words = {
            str(word): Figures(
                misses={
                    str(name): {str(clip): share(missed) for clip, missed in clips.items()}
                    for name, clips in figures["misses"].items()
                },
                false_alarms=int(figures["false_alarms"]),
                hours=float(figures["hours"]),
            )
            for word, figures in row["words"].items()
        }
        if not words:
            raise ValueError("a row has no word")
        return cls(str(row["engine"]), float(row["setting"]), words)


def share(missed: Any) -> float:
    """A miss, or the share of several detectors. Raises ValueError for what is neither."""
    value = float(missed)
    if not 0 <= value <= 1:
        raise ValueError(f"got a miss of {missed}; expected 0 to 1")
    return value


def figures(
    word: str,
    setting: float,
    clips: Mapping[str, Answers],
    speech: Sequence[Recording],
    heard: Answers,
) -> Figures:
    """One word's figures from the answers about its clips, by condition, and about speech.

    A clip is heard where the word is detected anywhere in it; sentences that say the word are
    left out of the speech.
    """
    without = [name_of(row) for row in speech if not says(row, word)]
    return Figures(
        misses={
            condition: {name: int(not each.heard[setting][word]) for name, each in answers.items()}
            for condition, answers in clips.items()
        },
        false_alarms=sum(len(heard[name].heard[setting][word]) for name in without),
        hours=sum(heard[name].seconds for name in without) / 3600,
    )


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    text = json.dumps({"rows": [row.to_dict() for row in rows]})
    path.write_text(text + "\n", encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    """The rows that `write_rows`, or a measurement elsewhere, put into a file.

    Raises InvalidInput where it holds none.
    """
    try:
        rows = [Row.from_dict(row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read ({error.strerror})") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(
            str(path),
            f"holds no rows of figures ({type(error).__name__}: {error}); expected "
            '{"rows": [{"engine", "setting", "words": {WORD: {"misses": {CONDITION: {CLIP: 0 or '
            '1}}, "false_alarms", "hours"}}}]}',
        ) from error
    if not rows:
        raise InvalidInput(str(path), "holds no rows of figures; expected one or more")
    return rows
