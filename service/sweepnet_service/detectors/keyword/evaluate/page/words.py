"""Figures in words: shares, rates and intervals as people read them."""

from __future__ import annotations

from sweepnet_service.detectors.keyword.calibration import Reliability
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate.figures import Figures, Kind
from sweepnet_service.detectors.keyword.evaluate.groups import (
    NOT_TOLD,
    accent_of,
    sex_of,
    source_of,
)
from sweepnet_service.detectors.keyword.evaluate.intervals import Estimate


def percent(share: float) -> str:
    """A share as "3.1 %"; whole numbers from 10 on."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 or value == 0 else f"{value:.1f} %"


def percents(estimate: Estimate) -> str:
    """An interval of shares as "1.2 to 5.4 %", or that nothing is known."""
    if (estimate.low, estimate.high) == (0.0, 1.0):
        return "too few voices for an interval"
    return f"{percent(estimate.low).removesuffix(' %')} to {percent(estimate.high)}"


def rate(value: float) -> str:
    """Events an hour, two digits."""
    return "0" if value == 0 else f"{value:.2f}" if value < 0.995 else f"{value:.1f}"


def rates(estimate: Estimate) -> str:
    return f"{rate(estimate.low)} to {rate(estimate.high)}"


def length(of_hours: float) -> str:
    """Hours, minutes below one hour, seconds below one minute."""
    if of_hours >= 1:
        return f"{of_hours:.2f} h"
    return f"{60 * of_hours:.1f} min" if 60 * of_hours >= 1 else f"{3600 * of_hours:.0f} s"


def number(count: int, one: str, many: str = "") -> str:
    """ "1 clip", "2 clips"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def alarms_told(kind: Kind) -> str:
    """The false alarms of a kind in one sentence, with a rate only where there is one."""
    told = f"{number(kind.alarms, 'false alarm')} in {length(kind.hours)} of {kind.name}"
    if kind.rate is None:
        return f"{told} (less than an hour: no rate)"
    return f"{told} ({rate(kind.rate.value)} an hour; {rates(kind.rate)})"


def errors_told(found: Reliability) -> str:
    """How far scores are from probabilities, in one clause."""
    words, others = sum(each.words for each in found.bins), sum(each.others for each in found.bins)
    return (
        f"expected calibration error {percent(found.error)}, {found.bits:.2f} bits left to learn "
        f"(1 where scores tell nothing), over {number(words, 'recording')} of the word and "
        f"{number(others, 'other peak')}"
    )


def thresholds_told(thresholds: tuple[float, ...]) -> str:
    """One threshold, or from the lowest to the highest of several."""
    low, high = min(thresholds), max(thresholds)
    return f"{low:.4f}" if low == high else f"{low:.4f} to {high:.4f}"


def lines(figures: Figures) -> list[str]:
    """The figures for a terminal."""
    told = [f'"{figures.label}" at threshold {thresholds_told(figures.thresholds)}']
    for condition in figures.conditions:
        clips = number(len(condition.misses), "recording")
        told.append(
            f"missed, {condition.name}: {percent(condition.miss_rate.value)} of {clips} "
            f"({percents(condition.miss_rate)}; {condition.groups} voices or sessions)"
        )
    told += [alarms_told(kind) for kind in (figures.speech, *figures.kinds)]
    if figures.reliability is not None:
        told.append(f"its scores as probabilities: {errors_told(figures.reliability)}")
    return [*told, *(f"caution: {caution}" for caution in figures.cautions)]


def who(recording: Recording) -> str:
    """What is known of who speaks and where from."""
    sex = "" if sex_of(recording) == NOT_TOLD else sex_of(recording)
    age = f"{recording.age} years" if recording.age.isdigit() else ""
    accent = "" if accent_of(recording) == NOT_TOLD else accent_of(recording)
    told = (recording.speaker, sex, age, accent, recording.session, source_of(recording))
    return " · ".join(part for part in told if part)
