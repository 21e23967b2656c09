"""Misses, false alarms, curve and delays of a label at given thresholds -> `Figures`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sweepnet_service.detectors.keyword.conditions import identity
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate.delay import delay_s
from sweepnet_service.detectors.keyword.evaluate.figures import (
    Condition,
    Figures,
    FoldHeard,
    Kind,
    Point,
    Share,
)
from sweepnet_service.detectors.keyword.evaluate.groups import (
    ATTRIBUTES,
    KINDS,
    NOT_TOLD,
    group_of,
)
from sweepnet_service.detectors.keyword.evaluate.heard import Decider, hours
from sweepnet_service.detectors.keyword.evaluate.intervals import mean_over_groups
from sweepnet_service.detectors.keyword.evaluate.worst import (
    negatives,
    worst_alarms,
    worst_missed,
)

WORST = 20
"""How many misses and false alarms are kept to be looked at."""


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
