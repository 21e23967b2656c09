"""From a trained network to a detector: calibration, thresholds, the word's place in the window.

False alarms are those of the deployed decision. Where the speech shows 25 of them at a rate they
are counted; a count of fewer hangs on one or two, and thresholds are read off an exponential fitted
to the 25 highest (peaks over threshold; Pickands 1975).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit

from cnn_core.arrays import Array
from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword.assembly import Calibrated
from sweepnet_service.detectors.keyword.calibration import PRIOR, cross_validated, platt
from sweepnet_service.detectors.keyword.dataset import relative_word
from sweepnet_service.detectors.keyword.detector import (
    FEWEST_HOURS,
    KeywordDetector,
    OperatingPoint,
    Placement,
)
from sweepnet_service.detectors.keyword.evaluate.curve import Alarms, counted, threshold_at
from sweepnet_service.detectors.keyword.evaluate.heard import Decider, Heard, hear
from sweepnet_service.detectors.keyword.evaluate.peaks import (
    FINITE,
    Peaks,
    heard_peaks,
    log_odds,
)
from sweepnet_service.detectors.keyword.evaluate.report import CardFigures, measured_on, report_of
from sweepnet_service.detectors.keyword.frontend import FrontEnd

RATES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
DEFAULT_RATE = 1.0
TAIL, FEWEST_ALARMS = 25, 3
MISSES = (0.3, 0.2, 0.1, 0.05)
DEFAULT_MISS = 0.1


def by_rate(alarms: Alarms) -> dict[float, float]:
    """The threshold of each rate of false alarms an hour that so much speech can tell of: counted
    where it brings more alarms than the tail holds, else on the tail. None of too little speech.
    """
    odds = alarm_odds(alarms, max(RATES))
    if alarms.hours < FEWEST_HOURS or len(odds) < FEWEST_ALARMS:
        return {}
    high = odds[: TAIL + 1]
    return {
        rate: threshold_at([alarms], rate)
        if rate * alarms.hours >= len(high)
        else float(expit(tail(high, rate * alarms.hours)))
        for rate in RATES
        if rate * alarms.hours <= len(odds)
    }


def alarm_odds(alarms: Alarms, rate: float) -> Array:
    """The log odds at which each alarm begins, highest first: as many as `rate` an hour are, and
    as a tail is fitted to.
    """
    thresholds, counts = counted([alarms], max(rate * alarms.hours, TAIL + 1))
    return np.repeat(logit(np.clip(thresholds, *FINITE)), np.diff(counts, prepend=0).astype(int))


def tail(high: Array, count: float) -> float:
    """The log odds that alarms (n,), from the highest, exceed `count` < n times in as much speech
    again, on an exponential above the lowest of them. At least two are needed.
    """
    base, known = float(high[-1]), len(high) - 1
    spread = max(float(np.mean(high[:-1] - base)), 1e-3)
    return base + spread * float(np.log(max(1.0, known / count)))


def placement(detector: KeywordDetector, heard: Sequence[Heard], apart_s: float = 1.0) -> Placement:
    """The word's median place after the start of the best window, over recordings that say it."""
    starts, ends = [], []
    for each in heard:
        word = relative_word(each.recording)
        if word is None or not len(each.scores):
            continue
        best = int(np.argmax(each.scores))
        first = (detector.window.span(best)[0] - detector.padding_samples) / detector.rate_hz
        if word[0] - apart_s < first + detector.window_s / 2 < word[1] + apart_s:
            starts.append(word[0] - first)
            ends.append(word[1] - first)
    if not starts:
        middle = detector.window_s / 2
        return Placement(middle - 0.25, middle + 0.25)
    return Placement(float(np.median(starts)), float(np.median(ends)))


def tuned(
    detector: KeywordDetector,
    label: str,
    words: Sequence[Heard],
    speech: Sequence[Heard],
    placed: Sequence[Heard] | None = None,
    besides: Sequence[Heard] = (),
) -> KeywordDetector:
    """The detector with calibrated scores of `label` and thresholds from recordings that it never
    saw; other labels stay as they are. Its card tells of the calibration.

    Rates of false alarms are of `speech` alone; noise and synthetic speech `besides` it are what
    scores are calibrated on too. The word's place in the window comes from the recordings
    `placed`; None leaves it.
    """
    if placed is not None:
        places = {**detector.placements, label: placement(detector, placed)}
        detector = replace(detector, placements=places)
    found = heard_peaks(detector, label, words, [*speech, *besides])
    scale, offset = platt(found.words, found.others) if found.measurable else (1.0, 0.0)
    net = Calibrated.of(detector.net, len(detector.labels))
    scaled = replace(detector, net=net.mapped(detector.labels.index(label), scale, offset).net)
    words, speech = rescaled(words, scale, offset), rescaled(speech, scale, offset)
    parted = replace(
        found, words=scale * found.words + offset, others=scale * found.others + offset
    )
    points, default = chosen(scaled, label, words, Alarms(scaled, label, speech), parted)
    return replace(
        scaled,
        operating_points={**detector.operating_points, label: points},
        default_thresholds={**detector.default_thresholds, label: default},
        card=with_record(detector.card, label, calibration_record(found)),
    )


def rescaled(heard: Sequence[Heard], scale: float, offset: float) -> list[Heard]:
    """The same with the scores of a detector whose log odds are mapped so."""
    return [
        replace(each, scores=expit(scale * log_odds(each.scores) + offset).astype(np.float32))
        for each in heard
    ]


def chosen(
    detector: KeywordDetector, label: str, words: Sequence[Heard], alarms: Alarms, found: Peaks
) -> tuple[tuple[OperatingPoint, ...], float]:
    """(operating points, default threshold) of a calibrated detector: by rates of false alarms,
    where there is too little speech to tell any by misses.
    """
    told = by_rate(alarms)
    default = told.get(DEFAULT_RATE, detector.default_thresholds[label])
    points = [(threshold, rate) for rate, threshold in told.items()]
    if DEFAULT_RATE not in told and found.measurable:
        cuts, cut = by_misses(found.words, found.others)
        default = float(expit(cut))
        of_hours = max(alarms.hours, 1e-9)
        parting = sorted(expit(cuts).tolist(), reverse=True)
        points = points or [(each, alarms.count(each) / of_hours) for each in parting]
    return tuple(
        OperatingPoint(threshold, rate, miss_rate(detector, label, words, threshold), alarms.hours)
        for threshold, rate in points
    ), default


def miss_rate(
    detector: KeywordDetector, label: str, words: Sequence[Heard], threshold: float
) -> float:
    """The share of the words that the deployed decision misses; 0 of none."""
    rule = Decider(detector, label, threshold)
    return sum(not rule.found(each) for each in words) / max(1, len(words))


def calibration_record(found: Peaks) -> dict[str, Any]:
    """What a card tells of a calibration: on what, and how reliable on voices it was not fitted to.

    The scores are those of a detector that was scaled on the other voices.
    """
    told = (
        cross_validated(found.words, found.voices, found.others, found.other_voices)
        if found.measurable
        else None
    )
    return {
        "prior": PRIOR,
        "words": len(found.words),
        "other_peaks": len(found.others),
        "hours": found.hours,
        "voices": len({*found.voices, *found.other_voices}),
        "reliability": asdict(told) if told else None,
    }


def with_record(card: Mapping[str, Any], label: str, record: dict[str, Any]) -> dict[str, Any]:
    """The card with another record of one label's calibration."""
    return {**card, "calibration": {**card.get("calibration", {}), label: record}}


def by_misses(best: Array, high: Array) -> tuple[list[float], float]:
    """(cuts for shares of missed words, the default cut) in log odds, where there is too little
    other speech to tell a rate from. The default parts words from other peaks, or misses a tenth
    where that is stricter: the other speech at hand is seldom as varied as what will be heard.
    """
    tried = np.sort(np.concatenate([best, high]))
    wrong = [np.mean(best < cut) + np.mean(high >= cut) for cut in tried]
    least = np.flatnonzero(np.array(wrong) <= min(wrong) + 1e-12)
    cuts = [float(np.quantile(best, miss)) for miss in MISSES]
    return cuts, max(float(np.mean(tried[least])), float(np.quantile(best, DEFAULT_MISS)))


def tested(
    detector: KeywordDetector, label: str, data: Path
) -> tuple[KeywordDetector, CardFigures]:
    """The tuned detector with the misses of each operating point and the reliability of its scores
    as they are on the test split of `data`; and all figures of that split.
    """
    kept = measured_on(data, label, "test")
    parts = (kept.words, kept.speech, kept.noise)
    words, speech, noise = (list(hear(detector, part, label)) for part in parts)
    figures = report_of(detector, label, words, speech, noise)
    points = zip(detector.operating_points[label], figures.points, strict=True)
    measured = tuple(replace(own, miss_rate=found.miss_rate) for own, found in points)
    found = heard_peaks(detector, label, words, [*speech, *noise])
    told = found.reliability
    record = {**detector.card["calibration"][label], "test": asdict(told) if told else None}
    tested = replace(
        detector,
        operating_points={**detector.operating_points, label: measured},
        card=with_record(detector.card, label, record),
    )
    return tested, figures


def untuned(
    net: Sequential,
    label: str | tuple[str, ...],
    features: FrontEnd,
    card: dict[str, Any] | None = None,
) -> KeywordDetector:
    """A detector of one label or several whose thresholds are still to be chosen."""
    labels = (label,) if isinstance(label, str) else label
    return KeywordDetector(
        labels=labels,
        features=features,
        net=net,
        placements=dict.fromkeys(labels, Placement(0.5, 1.0)),
        operating_points=dict.fromkeys(labels, ()),
        default_thresholds=dict.fromkeys(labels, 0.5),
        card=card or {},
    )
