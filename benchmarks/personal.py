"""How honest a personal spotter's estimate is: what it told beside what came; last line JSON.

Of each word eight recordings of the test part are given, two of each of the four sessions that have
most; `sweepnet train personal` makes a spotter of them. Its misses are counted on the other
recordings of these sessions and on those of other sessions, its false alarms in the continuous test
speech; its trunk never heard any of it. Needs the data folder (SWEEPNET_DATA), espeak-ng or flite.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

import soundfile
from rich.console import Console
from rich.table import Table

import sweepnet_service
from sweepnet_service.commands.meter import metered
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.dataset import (
    RATE_HZ,
    Recording,
    read_clips,
    read_continuous,
    read_samples,
    says,
)
from sweepnet_service.detectors.keyword.evaluate import Decider, hear, hours
from sweepnet_service.detectors.keyword.evaluate.intervals import clopper_pearson
from sweepnet_service.detectors.keyword.intake import speech_folder
from sweepnet_service.detectors.keyword.personal.train import PersonalConfig, train

TRUNK = Path(sweepnet_service.__file__).parent / "models" / "welcome.safetensors"
VOICES, OF_EACH = 4, 2


@dataclass(frozen=True)
class Drawn:
    """Recordings of a word: those given, others of the same sessions, those of other sessions."""

    given: Sequence[Recording]
    same: Sequence[Recording]
    other: Sequence[Recording]


def drawn(rows: Sequence[Recording], draw: int = 0) -> Drawn:
    """The first recordings of the sessions with most, or in other draws those that follow."""
    sessions: dict[str, list[Recording]] = defaultdict(list)
    for row in rows:
        sessions[row.session or row.speaker].append(row)
    ordered = sorted(sessions.values(), key=len, reverse=True)
    chosen, others = [turned(each, OF_EACH * draw) for each in ordered[:VOICES]], ordered[VOICES:]
    return Drawn(
        given=[row for each in chosen for row in each[:OF_EACH]],
        same=[row for each in chosen for row in each[OF_EACH:]],
        other=[row for each in others for row in each],
    )


def turned(rows: Sequence[Recording], places: int) -> Sequence[Recording]:
    """The same in a ring, so many places on."""
    start = places % len(rows)
    return [*rows[start:], *rows[:start]]


def written(given: Sequence[Recording], folder: Path) -> Path:
    """The recordings as a user keeps them: a folder for each speaker."""
    for number, (row, samples) in enumerate(read_samples(given)):
        path = folder / (row.session or row.speaker) / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, RATE_HZ)
    return folder


def processor_s() -> float:
    """Seconds of one core that this process and the programs it called have taken."""
    used = (getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def figures_of(word: str, rows: Drawn, speech: Sequence[Recording]) -> dict[str, object]:
    """What a spotter of a word tells of itself, and what came."""
    began_s = processor_s()
    with tempfile.TemporaryDirectory() as name, metered() as report:
        place = Path(name)
        config = PersonalConfig(
            keyword=word,
            recordings=(written(rows.given, place / "given"),),
            out=place / f"{word}.safetensors",
            work_dir=place / "work",
            trunk=TRUNK,
        )
        detector = KeywordDetector.load(train(config, report))
    taken_s = processor_s() - began_s
    rule = Decider(detector, word, detector.default_thresholds[word])

    def missed(part: Sequence[Recording]) -> list[int]:
        return [sum(not rule.found(each) for each in hear(detector, part, word)), len(part)]

    other = list(hear(detector, [row for row in speech if not says(row, word)], word))
    told = detector.card["estimate"]["whole"]
    miss = clopper_pearson(told["missed"], told["recordings"])
    return {
        "processor_s": round(taken_s),
        "told_missed": [told["missed"], told["recordings"]],
        "told_miss_between": [round(miss.low, 2), round(miss.high, 2)],
        "told_false_alarms_per_hour": round(told["alarms"] / told["spotters"] / told["hours"], 2),
        "missed_same_voices": missed(rows.same),
        "missed_other_voices": missed(rows.other),
        "false_alarms": rule.alarms(other),
        "hours": round(hours(other), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--word", action="append", help="Default: jarvis and snowboy.")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("SWEEPNET_DATA", "../shared/data"))
    )
    parser.add_argument("--draw", type=int, default=0, help="0, 1, ...: other recordings are given")
    options = parser.parse_args()
    data = speech_folder(options.data)
    if data is None:
        raise SystemExit(f"{options.data} holds no continuous speech; give --data")
    clips = [row for row in read_clips(data) if row.split == "test"]
    speech = [row for row in read_continuous(data) if row.split == "test"]
    words = options.word or ["jarvis", "snowboy"]
    found = {
        word: figures_of(
            word, drawn([row for row in clips if row.label == word], options.draw), speech
        )
        for word in words
    }
    table = Table("", *words, box=None)
    for name in found[words[0]]:
        table.add_row(name.replace("_", " "), *(str(found[word][name]) for word in words))
    Console().print(table)
    print(json.dumps({"bench": "personal", "draw": options.draw, "words": found}))


if __name__ == "__main__":
    main()
