"""The worst misses and false alarms of a label, and the kinds of what holds no word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sweepnet_service.detectors.keyword.conditions import identity
from sweepnet_service.detectors.keyword.dataset import RATE_HZ
from sweepnet_service.detectors.keyword.detector import KeywordDetector
from sweepnet_service.detectors.keyword.evaluate.figures import Alarm, Condition, FoldHeard, Missed
from sweepnet_service.detectors.keyword.evaluate.groups import kind_of_noise, kind_of_speech
from sweepnet_service.detectors.keyword.evaluate.heard import Decider, Heard, word_score
from sweepnet_service.detectors.keyword.updates import KeywordEvent

HALF = 0.5


def worst_missed(
    label: str, conditions: Sequence[Condition], folds: Sequence[FoldHeard]
) -> list[Missed]:
    """Clips missed by half of the detectors or more: the first condition's first, the lowest
    scores first; a clip once, in the first condition that misses it.
    """
    told: dict[str, Missed] = {}
    for condition in conditions:
        found = [
            missed_in(label, condition, clip, heard)
            for clip, heard in by_clip(folds, condition.name).items()
            if clip not in told and condition.misses[clip] >= HALF
        ]
        found.sort(key=lambda missed: missed.score)
        told |= {identity(missed.recording): missed for missed in found}
    return list(told.values())


def by_clip(
    folds: Sequence[FoldHeard], name: str
) -> dict[str, list[tuple[KeywordDetector, Heard]]]:
    """What each detector made of each clip in a condition."""
    found: dict[str, list[tuple[KeywordDetector, Heard]]] = {}
    for fold in folds:
        for each in fold.words[name]:
            found.setdefault(identity(each.recording), []).append((fold.detector, each))
    return found


def missed_in(
    label: str, condition: Condition, clip: str, heard: Sequence[tuple[KeywordDetector, Heard]]
) -> Missed:
    """The clip with the mean of the detectors' best scores on its word."""
    score = np.mean([word_score(detector, label, each) for detector, each in heard])
    return Missed(heard[0][1].recording, condition.name, condition.misses[clip], float(score))


def worst_alarms(deciders: Sequence[Decider], folds: Sequence[FoldHeard]) -> list[Alarm]:
    """All false alarms, the highest scores first."""
    found = [
        alarm_of(each, kind, event)
        for decider, fold in zip(deciders, folds, strict=True)
        for kind, each in negatives(fold)
        for event in decider.events(each)
    ]
    return sorted(found, key=lambda alarm: -alarm.score)


def alarm_of(heard: Heard, kind: str, event: KeywordEvent) -> Alarm:
    return Alarm(heard.recording, kind, event.start / RATE_HZ, event.end / RATE_HZ, event.score)


def negatives(fold: FoldHeard) -> Iterable[tuple[str, Heard]]:
    """All that does not hold the word, with its kind."""
    for each in fold.speech:
        yield kind_of_speech(each.recording), each
    for each in fold.noise:
        yield kind_of_noise(each.recording), each
