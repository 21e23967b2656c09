"""All figures of one label: detectors with the recordings each was measured on -> `Figures`.

One detector, or the five of speaker folds: a clip's miss is the share of the detectors that miss
it, false alarms are pooled over what each detector heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sweepnet_service.detectors.keyword.conditions import identity
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.delay import delay_s
from sweepnet_service.detectors.keyword.evaluate.groups import (
    ATTRIBUTES,
    KINDS,
    NOT_TOLD,
    group_of,
    kind_of_noise,
    kind_of_speech,
)
from sweepnet_service.detectors.keyword.evaluate.heard import Decider, Heard, hours, word_score
from sweepnet_service.detectors.keyword.evaluate.intervals import (
    Estimate,
    mean_over_groups,
    poisson_rate,
)
from sweepnet_service.detectors.keyword.session import KeywordEvent

WORST = 20
ENOUGH_HOURS = 1.0
"""Below this no rate is claimed."""


@dataclass(frozen=True)
class FoldHeard:
    """One detector, what it made of test clips in each condition ("clean", "10 dB"), of speech
    without the word by people whom it never heard, and of noise.
    """

    detector: KeywordDetector
    words: Mapping[str, Sequence[Heard]]
    speech: Sequence[Heard]
    noise: Sequence[Heard] = ()


@dataclass(frozen=True)
class Condition:
    """Misses in one condition: `misses` is the share of the detectors that missed each clip."""

    name: str
    misses: Mapping[str, float]
    groups: int
    miss_rate: Estimate
    of_each: tuple[float, ...]


@dataclass(frozen=True)
class Kind:
    """False alarms on one kind of negative."""

    name: str
    hours: float
    alarms: int

    @property
    def rate(self) -> Estimate | None:
        """An hour, with the exact Poisson interval; None where less than an hour was heard."""
        return poisson_rate(self.alarms, self.hours) if self.hours >= ENOUGH_HOURS else None


@dataclass(frozen=True)
class Share:
    """Misses of the clips that share a value of an attribute ("sex", "female"), in the conditions
    that have any.
    """

    attribute: str
    value: str
    clips: int
    groups: int
    miss_rate: Mapping[str, Estimate]


@dataclass(frozen=True)
class Point:
    """One point of a DET curve: miss rates by condition against false alarms."""

    thresholds: tuple[float, ...]
    alarms: int
    false_alarms_per_hour: float
    miss_rate: Mapping[str, float]


@dataclass(frozen=True)
class Missed:
    """A clip that was missed: in which condition, by which share, and its best score."""

    recording: Recording
    condition: str
    share: float
    score: float


@dataclass(frozen=True)
class Alarm:
    """A false alarm: the event's start and end in seconds of the recording, and its score."""

    recording: Recording
    kind: str
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Figures:
    """What was measured of one label at `thresholds`, one a detector."""

    label: str
    thresholds: tuple[float, ...]
    conditions: tuple[Condition, ...]
    speech: Kind
    kinds: tuple[Kind, ...]
    shares: tuple[Share, ...]
    curve: tuple[Point, ...]
    delays_s: tuple[float, ...]
    missed: tuple[Missed, ...]
    alarms: tuple[Alarm, ...]
    asked_rate: float | None = None
    notes: tuple[str, ...] = field(default=())


def figures_at(
    label: str,
    folds: Sequence[FoldHeard],
    thresholds: Sequence[float],
    sweep: Iterable[Sequence[float]] = (),
    asked_rate: float | None = None,
) -> Figures:
    """The figures with one threshold a fold; `sweep` are the thresholds of the curve's points."""
    deciders = deciders_of(label, folds, thresholds)
    conditions = conditions_of(deciders, folds)
    kinds = kinds_of(deciders, folds)
    return Figures(
        label=label,
        thresholds=tuple(thresholds),
        conditions=conditions,
        speech=speech_of(deciders, folds),
        kinds=kinds,
        shares=tuple(shares_of(conditions, folds)),
        curve=tuple(point_at(label, folds, each) for each in sweep),
        delays_s=tuple(delays_of(label, folds, thresholds)),
        missed=tuple(worst_missed(label, conditions, folds)[:WORST]),
        alarms=tuple(worst_alarms(deciders, folds)[:WORST]),
        asked_rate=asked_rate,
    )


def deciders_of(
    label: str, folds: Sequence[FoldHeard], thresholds: Sequence[float]
) -> list[Decider]:
    pairs = zip(folds, thresholds, strict=True)
    return [Decider(fold.detector, label, threshold) for fold, threshold in pairs]


def missed_shares(
    deciders: Sequence[Decider], folds: Sequence[FoldHeard], name: str
) -> tuple[dict[str, float], tuple[float, ...]]:
    """(share of the detectors that miss each clip, share of clips that each detector misses)."""
    missed: dict[str, list[float]] = {}
    of_each = []
    for decider, fold in zip(deciders, folds, strict=True):
        lost = [(identity(each.recording), not decider.found(each)) for each in fold.words[name]]
        for clip, was_lost in lost:
            missed.setdefault(clip, []).append(float(was_lost))
        of_each.append(float(np.mean([was_lost for _, was_lost in lost])) if lost else 0.0)
    return {clip: float(np.mean(values)) for clip, values in missed.items()}, tuple(of_each)


def conditions_of(deciders: Sequence[Decider], folds: Sequence[FoldHeard]) -> tuple[Condition, ...]:
    """The misses in each condition."""
    group = clip_groups(folds)
    found = []
    for name in folds[0].words:
        misses, of_each = missed_shares(deciders, folds, name)
        groups = [group[clip] for clip in misses]
        rate = mean_over_groups(list(misses.values()), groups)
        found.append(Condition(name, misses, len(set(groups)), rate, of_each))
    return tuple(found)


def clip_groups(folds: Sequence[FoldHeard]) -> dict[str, str]:
    """The group of each clip that any fold heard."""
    return {identity(row): group_of(row) for row in clips_of(folds)}


def clips_of(folds: Sequence[FoldHeard]) -> list[Recording]:
    """Each clip once."""
    heard = (each for fold in folds for words in fold.words.values() for each in words)
    return list({identity(each.recording): each.recording for each in heard}.values())


def kinds_of(deciders: Sequence[Decider], folds: Sequence[FoldHeard]) -> tuple[Kind, ...]:
    """False alarms by kind of negative, in the order of KINDS."""
    seconds: dict[str, float] = {}
    count: dict[str, int] = {}
    for decider, fold in zip(deciders, folds, strict=True):
        for kind, each in negatives(fold):
            seconds[kind] = seconds.get(kind, 0.0) + each.seconds
            count[kind] = count.get(kind, 0) + len(decider.events(each))
    return tuple(Kind(kind, seconds[kind] / 3600, count[kind]) for kind in KINDS if kind in count)


def speech_of(deciders: Sequence[Decider], folds: Sequence[FoldHeard]) -> Kind:
    """False alarms on all speech together."""
    pairs = list(zip(deciders, folds, strict=True))
    of_hours = sum(hours(fold.speech) for fold in folds)
    return Kind("speech", of_hours, sum(decider.alarms(fold.speech) for decider, fold in pairs))


def negatives(fold: FoldHeard) -> Iterable[tuple[str, Heard]]:
    """All that does not hold the word, with its kind."""
    for each in fold.speech:
        yield kind_of_speech(each.recording), each
    for each in fold.noise:
        yield kind_of_noise(each.recording), each


def shares_of(conditions: Sequence[Condition], folds: Sequence[FoldHeard]) -> Iterable[Share]:
    """Misses by source, sex, age and accent, where the manifests tell any."""
    clips = clips_of(folds)
    for attribute, value_of in ATTRIBUTES.items():
        values = sorted({value_of(row) for row in clips}, key=lambda name: (name == NOT_TOLD, name))
        if values != [NOT_TOLD]:
            for value in values:
                rows = [row for row in clips if value_of(row) == value]
                yield share_of(attribute, value, rows, conditions)


def share_of(
    attribute: str, value: str, rows: Sequence[Recording], conditions: Sequence[Condition]
) -> Share:
    rates = {}
    for condition in conditions:
        known = [row for row in rows if identity(row) in condition.misses]
        misses = [condition.misses[identity(row)] for row in known]
        if misses:
            rates[condition.name] = mean_over_groups(misses, [group_of(row) for row in known])
    return Share(attribute, value, len(rows), len({group_of(row) for row in rows}), rates)


def point_at(label: str, folds: Sequence[FoldHeard], thresholds: Sequence[float]) -> Point:
    """One point of the curve."""
    deciders = deciders_of(label, folds, thresholds)
    speech = speech_of(deciders, folds)
    misses = {name: missed_shares(deciders, folds, name)[0] for name in folds[0].words}
    return Point(
        thresholds=tuple(thresholds),
        alarms=speech.alarms,
        false_alarms_per_hour=speech.alarms / max(speech.hours, 1e-9),
        miss_rate={
            name: float(np.mean(list(shares.values()))) if shares else 0.0
            for name, shares in misses.items()
        },
    )


def delays_of(
    label: str, folds: Sequence[FoldHeard], thresholds: Sequence[float]
) -> Iterable[float]:
    """How long after each word's end its event was told, in the first condition."""
    for fold, threshold in zip(folds, thresholds, strict=True):
        for each in next(iter(fold.words.values()), ()):
            delay = delay_s(fold.detector, label, each, threshold)
            if delay is not None:
                yield delay


def worst_missed(
    label: str, conditions: Sequence[Condition], folds: Sequence[FoldHeard]
) -> list[Missed]:
    """Clips missed by half of the detectors or more: the first condition's first, the lowest
    scores first; a clip once, in the first condition that misses it.
    """
    told: dict[str, Missed] = {}
    for condition in conditions:
        best: dict[str, list[float]] = {}
        rows: dict[str, Recording] = {}
        for fold in folds:
            for each in fold.words[condition.name]:
                clip = identity(each.recording)
                if condition.misses[clip] >= 0.5 and clip not in told:
                    rows[clip] = each.recording
                    best.setdefault(clip, []).append(word_score(fold.detector, label, each))
        for clip, scores in sorted(best.items(), key=lambda item: np.mean(item[1])):
            share, score = condition.misses[clip], float(np.mean(scores))
            told[clip] = Missed(rows[clip], condition.name, share, score)
    return list(told.values())


def worst_alarms(deciders: Sequence[Decider], folds: Sequence[FoldHeard]) -> list[Alarm]:
    """All false alarms, the highest scores first."""
    found = [
        alarm_of(each, kind, event, fold.detector.rate_hz)
        for decider, fold in zip(deciders, folds, strict=True)
        for kind, each in negatives(fold)
        for event in decider.events(each)
    ]
    return sorted(found, key=lambda alarm: -alarm.score)


def alarm_of(heard: Heard, kind: str, event: KeywordEvent, rate_hz: int) -> Alarm:
    return Alarm(heard.recording, kind, event.start / rate_hz, event.end / rate_hz, event.score)
