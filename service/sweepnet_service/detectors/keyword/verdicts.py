"""Whether each recording can be learnt from, and why not: recordings -> a `Verdict` each.

What cannot be learnt from is left out and told. What makes the whole data set doubtful refuses it:
files that cannot be read, one recording on both sides of a split or under both labels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sweepnet_service.detectors.keyword.dataset import NEGATIVE, Recording
from sweepnet_service.detectors.keyword.intake import Dataset, listed
from sweepnet_service.detectors.keyword.measures import Measure, measured, write_table
from sweepnet_service.errors import InvalidInput
from sweepnet_service.progress import Report, ignored

SHORTEST_S = 0.2
QUIETEST_DB = -60.0
LEAST_SPREAD_DB = 4.0
"""Between the loudest and the softest 25 ms of a recording of a word: less is a hum or a hiss."""
LEAST_VOICED = 0.35
"""Of 260 recordings of words the least voiced had 0.48; clicks have 0, white noise 0.2, rain and
surf mostly 0.2 to 0.5. What hums, barks or plays is voiced too.
"""
MOST_CLIPPED = 0.02
LONGEST_WEAK_S = 30.0
MEASURED, VERDICTS = "measured.csv", "verdicts.csv"
COLUMNS = (
    *("file", "start_s", "end_s", "split", "label", "seconds", "level_db", "verdict", "reason"),
)


@dataclass(frozen=True)
class Verdict:
    """One recording: usable if `reason` is ""; `refused`: the data set cannot be used with it."""

    recording: Recording
    reason: str = ""
    refused: bool = False
    seconds: float = 0.0
    level_db: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.reason

    @property
    def word(self) -> str:
        return "ok" if self.ok else "refused" if self.refused else "left out"


def verdicts(data: Dataset, kept: Path, report: Report = ignored) -> list[Verdict]:
    """A verdict for each recording, then for each of the noise; what was measured is kept in the
    folder `kept`.
    """
    rows = [*data.recordings, *data.noise]
    found = judged(rows, measured(rows, kept / MEASURED, report), data.given)
    write_table(kept / VERDICTS, COLUMNS, map(as_row, found))
    return found


def as_row(verdict: Verdict) -> tuple[object, ...]:
    """The verdict as it is written."""
    row = verdict.recording
    place = (row.path, round(row.start_s, 3), "" if row.end_s is None else round(row.end_s, 3))
    told = (f"{verdict.seconds:.2f}", f"{verdict.level_db:.1f}")
    return (*place, row.split, row.label, *told, verdict.word, verdict.reason)


def judged(
    recordings: Sequence[Recording], measures: Sequence[Measure], given: bool
) -> list[Verdict]:
    """A verdict for each recording, from its measure and from others with the same content.

    Where the splits were not given, a recording that is there twice is left out the second time.
    """
    same: dict[str, list[Recording]] = defaultdict(list)
    found = []
    for row, measure in zip(recordings, measures, strict=True):
        reason, refused = alone(row, measure)
        if not reason and (earlier := same[measure.content]):
            reason, refused = among(row, earlier, given)
        if not reason and measure.content:
            same[measure.content].append(row)
        found.append(Verdict(row, reason, refused, measure.seconds, measure.level_db))
    return found


def alone(row: Recording, measure: Measure) -> tuple[str, bool]:
    """What is wrong with a recording by itself ("": nothing), and whether that refuses the set."""
    if measure.problem:
        return f"unreadable: {measure.problem}", True
    if measure.seconds < SHORTEST_S:
        return f"too short: {measure.seconds:.2f} s; expected {SHORTEST_S} s or more", False
    if row.label == NEGATIVE:
        return "", False
    if measure.level_db < QUIETEST_DB:
        return f"too quiet: {measure.level_db:.0f} dB full scale; expected {QUIETEST_DB:.0f}", False
    if measure.clipped > MOST_CLIPPED:
        return f"clipped: {100 * measure.clipped:.0f} % of its samples at full scale", False
    if measure.spread_db < LEAST_SPREAD_DB:
        return f"no speech: its level hardly changes ({measure.spread_db:.1f} dB)", False
    if measure.voiced < LEAST_VOICED:
        return f"no speech: nothing in it has a voice's pitch ({measure.voiced:.2f} of 1)", False
    if row.label and row.word_s is None and measure.seconds > LONGEST_WEAK_S:
        return (
            f"too long: {measure.seconds:.0f} s and nothing tells where the word is; cut it, or "
            "put a label track beside it",
            False,
        )
    return "", False


def among(row: Recording, earlier: Sequence[Recording], given: bool) -> tuple[str, bool]:
    """What is wrong with a recording that has the content of earlier ones."""
    other = next((each for each in earlier if contradict(each.label, row.label)), None)
    if other is not None:
        return f"the same recording is there with another label: {other.path}", True
    other = next((each for each in earlier if each.split != row.split), None)
    if other is not None and given:
        return f"the same recording is in two splits: {other.path} ({other.split})", True
    return f"the same recording is there twice: {earlier[0].path}", False


def contradict(label: str, other: str) -> bool:
    return bool(label and other and label != other)


def usable(data: Dataset, found: Sequence[Verdict]) -> Dataset:
    """The recordings that can be learnt from. Raises InvalidInput, naming files, if any refuses."""
    wrong = [verdict for verdict in found if verdict.refused]
    if wrong:
        told = [f"{verdict.recording.path}: {verdict.reason}" for verdict in wrong]
        raise InvalidInput(str(data.where), f"cannot be used; {listed(told, 5, '; ')}")
    count = len(data.recordings)
    recordings, noise = (
        [verdict.recording for verdict in part if verdict.ok]
        for part in (found[:count], found[count:])
    )
    return replace(data, recordings=recordings, noise=noise)


def summary(found: Sequence[Verdict]) -> str:
    """How many recordings there are, and how many are left out for which reason."""
    reasons = Counter(verdict.reason.partition(":")[0] for verdict in found if not verdict.ok)
    told = [f"{count} {reason}" for reason, count in reasons.most_common()]
    left = f", {sum(reasons.values())} left out ({', '.join(told)})" if told else ""
    return f"{len(found)} recordings{left}"
